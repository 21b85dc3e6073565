# Container images of the Docker API: Podman's service, and stand-ins that misbehave; Dockerfiles.
if(NOT CASEMATE_TESTS)
    return()
endif()
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

foreach(test podman_test.Podman podman_test.Builders hostile_test.Hostile)
    add_test(NAME daemon.${test}
        COMMAND ${DEBIAN_PYTHON} -B -W error::ResourceWarning -m unittest -v ${test}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/daemon)
    set_tests_properties(daemon.${test} PROPERTIES LABELS e2e TIMEOUT 600
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endforeach()
