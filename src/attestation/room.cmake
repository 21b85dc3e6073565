find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(attestation PIC DEPENDS casemate_base casemate_codec casemate_crypto casemate_eif
    Boost::json)
