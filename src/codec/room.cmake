add_room(codec DEPENDS casemate_base)
