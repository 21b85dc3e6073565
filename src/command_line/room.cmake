find_package(CLI11 REQUIRED)
add_room(command_line DEPENDS casemate_base CLI11::CLI11)
