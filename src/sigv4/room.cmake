add_room(sigv4 PIC DEPENDS casemate_base casemate_codec casemate_crypto)
