# The command line as such: grammar, help, completion, manual pages, and what it does in odd surroundings.
if(NOT CASEMATE_TESTS)
    return()
endif()
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# add_cli_test(MODULE CLASS): a class of tests/cli/MODULE.py.
function(add_cli_test module class)
    add_test(NAME cli.${module}.${class}
        COMMAND ${DEBIAN_PYTHON} -B -m unittest -v ${module}.${class}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/cli)
    set_tests_properties(cli.${module}.${class} PROPERTIES LABELS unit TIMEOUT 300
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR};CASEMATE_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
endfunction()

add_cli_test(arguments_test Usage)
add_cli_test(arguments_test Help)
add_cli_test(surroundings_test Nothing)
add_cli_test(surroundings_test Log)
add_cli_test(surroundings_test Explain)
add_cli_test(completion_test Bash)
add_cli_test(completion_test Zsh)
add_cli_test(manual_test Manual)
add_cli_test(manual_test Installed)
