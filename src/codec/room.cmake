add_room(codec PIC DEPENDS casemate_base)
