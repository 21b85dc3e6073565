# Asking KMS: what its clients share, those inside enclaves (src/guest/kms) and those outside.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(kms_client PIC DEPENDS casemate_base casemate_codec casemate_crypto casemate_http casemate_sigv4
    Boost::json)
