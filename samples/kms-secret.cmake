# The sample needs no building; its image is made by samples/kms-secret/build-image.
if(CASEMATE_TESTS)
    find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
    add_test(NAME samples.kms_secret
        COMMAND ${DEBIAN_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/kms-secret/kms_secret_test.py)
    set_tests_properties(samples.kms_secret PROPERTIES LABELS unit TIMEOUT 60)
endif()
