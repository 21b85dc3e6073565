# The sample needs no building; its image is made by samples/attested-hello/build-image.
if(CASEMATE_TESTS)
    # Debian's own, which has python3-cryptography, whatever else the PATH holds.
    find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
    add_test(NAME samples.attested_hello
        COMMAND ${DEBIAN_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/attested-hello/attested_hello_test.py)
    set_tests_properties(samples.attested_hello PROPERTIES LABELS unit TIMEOUT 60)
endif()
