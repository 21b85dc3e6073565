add_room(virtio DEPENDS casemate_machine casemate_base)
