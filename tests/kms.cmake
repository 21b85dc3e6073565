# Clients by others against casemate-kms itself, and what it bears: kills under load, malformed requests.
# None of it is of use with sanitizers, which the tests beside the code have.
if(NOT CASEMATE_TESTS OR CASEMATE_SANITIZE)
    return()
endif()
# Debian's own, which has the packages of tools/packages.sh, whatever else the PATH holds.
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# Attestation documents for the tests.
add_executable(kms_forge_document ${CMAKE_SOURCE_DIR}/tests/kms/forge_document.cpp)
target_link_libraries(kms_forge_document PRIVATE casemate_attestation)
set_target_properties(kms_forge_document PROPERTIES
    OUTPUT_NAME forge-document RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/kms)
add_dependencies(kms_forge_document program_casemate_kms)

# add_kms_test(NAME SECONDS COMMAND...)
function(add_kms_test name seconds)
    add_test(NAME kms_peers.${name} COMMAND ${ARGN}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/kms)
    set_tests_properties(kms_peers.${name} PROPERTIES LABELS unit TIMEOUT ${seconds}
        SKIP_REGULAR_EXPRESSION "SKIPPED: " ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()

# AWS's SDK for JavaScript.
add_kms_test(sdk 300 ./with_node sdk_test.mjs)

# SIGKILL under load.
add_kms_test(kill_sqlite 600 ${DEBIAN_PYTHON} -B -m unittest -v kill_test.Killed.test_on_sqlite)
add_kms_test(kill_postgresql 600 ${DEBIAN_PYTHON} -B -m unittest -v
    kill_test.Killed.test_on_postgresql_with_another_service_beside)

# The AWS Encryption SDK.
add_kms_test(encryption_sdk 300 ./with_node encryption_sdk_test.mjs)

# Malformed requests, and what is none.
add_kms_test(malformed 300 ${DEBIAN_PYTHON} -B -m unittest -v malformed_test)

# AWS's CLI.
add_kms_test(cli 600 ${DEBIAN_PYTHON} -B -m unittest -v cli_test)
