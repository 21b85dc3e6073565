add_room(machine DEPENDS casemate_base)
