add_program(casemate casemate_cli)
# Called by this name it is nitro-cli.
add_custom_command(TARGET program_casemate POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E create_symlink casemate ${CMAKE_BINARY_DIR}/bin/nitro-cli)
