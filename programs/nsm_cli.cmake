# build/bin/nsm-cli is static and small, to be copied into container images. Like init, its sources are
# compiled here once more, for size and never with sanitizers; it stands on libnsm.a.
file(GLOB nsm_cli_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/guest/nsm_cli/*.cpp)
list(FILTER nsm_cli_sources EXCLUDE REGEX "_test\\.cpp$")
add_executable(program_nsm_cli ${CMAKE_SOURCE_DIR}/programs/nsm_cli.cpp ${nsm_cli_sources}
    ${CMAKE_SOURCE_DIR}/src/guest/init/text.cpp ${CMAKE_SOURCE_DIR}/src/base/bytes.cpp
    ${CMAKE_SOURCE_DIR}/src/base/fd.cpp ${CMAKE_SOURCE_DIR}/src/base/file.cpp
    ${CMAKE_SOURCE_DIR}/src/base/os_error.cpp ${CMAKE_SOURCE_DIR}/src/codec/base64.cpp)
set_target_properties(program_nsm_cli PROPERTIES
    OUTPUT_NAME nsm-cli RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
get_target_property(nsm_cli_options casemate_options INTERFACE_COMPILE_OPTIONS)
list(FILTER nsm_cli_options EXCLUDE REGEX "sanitize")
target_include_directories(program_nsm_cli PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(program_nsm_cli PRIVATE nsm_static)
target_compile_options(program_nsm_cli PRIVATE ${nsm_cli_options}
    -Os -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections)
target_link_options(program_nsm_cli PRIVATE -static -s -Wl,--gc-sections)
add_dependencies(programs program_nsm_cli nsm_shared nsm_static)
install(TARGETS program_nsm_cli COMPONENT guest)
