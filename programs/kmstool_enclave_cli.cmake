# build/bin/kmstool_enclave_cli has all in it, to be copied into container images. libcrypto could look
# up names, which warns when linked statically, and is never asked to.
if(CASEMATE_SANITIZE)
    # No static program can have sanitizers.
    return()
endif()
add_executable(program_kmstool_enclave_cli ${CMAKE_SOURCE_DIR}/programs/kmstool_enclave_cli.cpp)
set_target_properties(program_kmstool_enclave_cli PROPERTIES
    OUTPUT_NAME kmstool_enclave_cli RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
target_link_libraries(program_kmstool_enclave_cli PRIVATE casemate_options ${KMS_ARCHIVES})
target_link_options(program_kmstool_enclave_cli PRIVATE
    -static -s -Wl,--gc-sections -Wl,--no-warnings)
add_dependencies(program_kmstool_enclave_cli ${KMS_ROOMS})
add_dependencies(programs program_kmstool_enclave_cli kms_shared)
install(TARGETS program_kmstool_enclave_cli COMPONENT guest)
