# Verifiers by others, first on a document of AWS: what takes Casemate's documents has to be able to refuse.
if(NOT CASEMATE_TESTS)
    return()
endif()
# Debian's own, which has the packages of tools/packages.sh, whatever else the PATH holds.
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
foreach(oracle Checker TeeVerifier OpenSsl)
    add_test(NAME oracles.${oracle}
        COMMAND ${DEBIAN_PYTHON} -B -m unittest -v oracles_test.${oracle}
        WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/oracles)
    set_tests_properties(oracles.${oracle} PROPERTIES LABELS unit TIMEOUT 120)
endforeach()
# Where its packages can't be had, all of it is skipped.
set_tests_properties(oracles.TeeVerifier PROPERTIES SKIP_REGULAR_EXPRESSION "SKIPPED: ")
