# nitro-cli as scripts see it: the link is called, enclaves are stand-ins (fake_parts) but for a few.
if(NOT CASEMATE_TESTS)
    return()
endif()
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

add_test(NAME nitro_cli.page COMMAND ${DEBIAN_PYTHON} -B ${CMAKE_SOURCE_DIR}/tests/nitro_cli/page.py
    ${CMAKE_CTEST_COMMAND} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
set_tests_properties(nitro_cli.page PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)
