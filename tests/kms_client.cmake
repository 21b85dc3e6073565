# The Python module casemate_kms.py with libcasemate-kms, and kmstool_enclave_cli, against the tests' own
# KMS and against casemate-kms. None of the clients is built with sanitizers.
add_executable(kms_stand_in kms_client/stand_in.cpp)
target_link_libraries(kms_stand_in PRIVATE casemate_guest_kms casemate_attestation OpenSSL::SSL)
set_target_properties(kms_stand_in PROPERTIES
    OUTPUT_NAME stand-in RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/kms_client)
if(CASEMATE_SANITIZE)
    return()
endif()
add_dependencies(kms_stand_in kms_shared program_kmstool_enclave_cli program_casemate_kms)
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
add_test(NAME kms_client.python_module COMMAND ${DEBIAN_PYTHON} -B -m unittest -v casemate_kms_test
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/src/guest/python)
set_tests_properties(kms_client.python_module PROPERTIES LABELS unit TIMEOUT 120
    ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
add_test(NAME kms_client.as_installed COMMAND ${DEBIAN_PYTHON} -B -m unittest -v link_test
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/kms_client)
set_tests_properties(kms_client.as_installed PROPERTIES LABELS unit TIMEOUT 300
    ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
add_test(NAME kms_client.service COMMAND ${DEBIAN_PYTHON} -B -m unittest -v service_test
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/kms_client)
set_tests_properties(kms_client.service PROPERTIES LABELS unit TIMEOUT 300
    ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
