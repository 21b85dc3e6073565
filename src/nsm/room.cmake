add_room(nsm DEPENDS casemate_base casemate_codec casemate_crypto casemate_eif casemate_machine
    TEST_DEPENDS casemate_jail)
