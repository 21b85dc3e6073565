# build/lib/casemate/init is static and small: it is part of each image's measurement and of each
# enclave's memory. Its sources are compiled here once more, for size and never with sanitizers, which
# no static program can have.
file(GLOB init_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/guest/init/*.cpp)
list(FILTER init_sources EXCLUDE REGEX "_test\\.cpp$")
add_executable(program_init ${CMAKE_SOURCE_DIR}/programs/init.cpp ${init_sources}
    ${CMAKE_SOURCE_DIR}/src/base/fd.cpp ${CMAKE_SOURCE_DIR}/src/base/bytes.cpp
    ${CMAKE_SOURCE_DIR}/src/base/os_error.cpp)
set_target_properties(program_init PROPERTIES
    OUTPUT_NAME init RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/casemate)
get_target_property(init_options casemate_options INTERFACE_COMPILE_OPTIONS)
list(FILTER init_options EXCLUDE REGEX "sanitize")
target_include_directories(program_init PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(program_init PRIVATE ${init_options}
    -Os -fno-exceptions -fno-rtti -ffunction-sections -fdata-sections)
target_link_options(program_init PRIVATE -static -s -Wl,--gc-sections -Wl,--build-id=none)
add_dependencies(programs program_init)
install(TARGETS program_init RUNTIME DESTINATION lib/casemate COMPONENT host)
