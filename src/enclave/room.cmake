find_package(Boost 1.74 REQUIRED COMPONENTS json)
add_room(enclave DEPENDS casemate_base casemate_eif casemate_machine casemate_nsm casemate_authority casemate_softhost Boost::json
    TEST_DEPENDS casemate_machine)
