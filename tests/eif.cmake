# Image files, from outside: an independent reader and writer of the format, and the programs that write, sign
# and judge images.
if(NOT CASEMATE_TESTS)
    return()
endif()
# Debian's own, which has the packages of tools/packages.sh, whatever else the PATH holds.
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# add_eif_test(MODULE CLASS SECONDS): a class of tests/eif/MODULE.py.
function(add_eif_test module class seconds)
    add_test(NAME eif.${module}.${class} COMMAND ${DEBIAN_PYTHON} -B -m unittest -v ${module}.${class}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/eif)
    set_tests_properties(eif.${module}.${class} PROPERTIES LABELS unit TIMEOUT ${seconds}
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()

add_eif_test(format_test Written 300)
add_eif_test(format_test Read 300)
add_eif_test(format_test Malformed 600)
add_eif_test(format_test Described 300)
add_eif_test(programs_test EifBuild 300)
add_eif_test(programs_test Validated 600)
add_eif_test(programs_test Interrupted 900)
add_eif_test(programs_test Hostile 900)
if(NOT CASEMATE_SANITIZE)
    add_eif_test(kms_key_test KmsKey 300)
endif()
