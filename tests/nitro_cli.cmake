# nitro-cli as scripts see it: the link is called, enclaves are stand-ins (fake_parts) but for a few.
if(NOT CASEMATE_TESTS)
    return()
endif()
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

add_test(NAME nitro_cli.page COMMAND ${DEBIAN_PYTHON} -B ${CMAKE_SOURCE_DIR}/tests/nitro_cli/page.py
    ${CMAKE_CTEST_COMMAND} ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
set_tests_properties(nitro_cli.page PROPERTIES LABELS unit TIMEOUT 60 SKIP_RETURN_CODE 77)

# add_nitro_cli_test(MODULE CLASS SECONDS): a class of tests/nitro_cli/MODULE.py.
function(add_nitro_cli_test module class seconds)
    add_test(NAME nitro_cli.${module}.${class}
        COMMAND ${DEBIAN_PYTHON} -B -m unittest -v ${module}.${class}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/nitro_cli)
    set_tests_properties(nitro_cli.${module}.${class} PROPERTIES
        LABELS nitro_cli TIMEOUT ${seconds} FIXTURES_REQUIRED guest_image
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()

add_nitro_cli_test(codes_test Codes 300)
add_nitro_cli_test(codes_test RealVmm 120)
add_nitro_cli_test(verbs_test Enclaves 300)
add_nitro_cli_test(verbs_test Images 120)
add_nitro_cli_test(life_test Interruption 300)
add_nitro_cli_test(life_test Ownership 120)
