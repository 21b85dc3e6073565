add_room(jail DEPENDS casemate_base)
