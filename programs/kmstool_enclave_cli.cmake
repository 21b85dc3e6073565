# build/bin/kmstool_enclave_cli has all in it, to be copied into container images. Nothing in it looks
# up names: libcrypto could, which warns when linked statically, and is never asked to.
if(CASEMATE_SANITIZE)
    # No static program can have sanitizers.
    return()
endif()
find_library(CASEMATE_STATIC_SSL libssl.a REQUIRED)
find_library(CASEMATE_STATIC_CRYPTO libcrypto.a REQUIRED)
find_library(CASEMATE_STATIC_JSON libboost_json.a REQUIRED)
find_library(CASEMATE_STATIC_CONTAINER libboost_container.a REQUIRED)
# By file and in the order of their use: the targets themselves bring the shared libraries.
set(rooms casemate_guest_kms casemate_http casemate_sigv4 casemate_crypto casemate_codec
    casemate_base nsm_static)
set(archives)
foreach(room ${rooms})
    list(APPEND archives $<TARGET_FILE:${room}>)
endforeach()
add_executable(program_kmstool_enclave_cli ${CMAKE_SOURCE_DIR}/programs/kmstool_enclave_cli.cpp)
set_target_properties(program_kmstool_enclave_cli PROPERTIES
    OUTPUT_NAME kmstool_enclave_cli RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
target_link_libraries(program_kmstool_enclave_cli PRIVATE casemate_options ${archives}
    ${CASEMATE_STATIC_JSON} ${CASEMATE_STATIC_CONTAINER} ${CASEMATE_STATIC_SSL}
    ${CASEMATE_STATIC_CRYPTO})
target_link_options(program_kmstool_enclave_cli PRIVATE
    -static -s -Wl,--gc-sections -Wl,--no-warnings)
add_dependencies(program_kmstool_enclave_cli ${rooms})
add_dependencies(programs program_kmstool_enclave_cli)
install(TARGETS program_kmstool_enclave_cli COMPONENT guest)
