# Pulling container images: a registry of Debian's, and stand-ins that misbehave.
if(NOT CASEMATE_TESTS)
    return()
endif()
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

foreach(test pull_test.Pull hostile_test.Hostile)
    add_test(NAME registry.${test}
        COMMAND ${DEBIAN_PYTHON} -B -W error::ResourceWarning -m unittest -v ${test}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/registry)
    set_tests_properties(registry.${test} PROPERTIES LABELS e2e TIMEOUT 600
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endforeach()
