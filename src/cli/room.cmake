find_package(CLI11 REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(cli DEPENDS casemate_base casemate_command_line casemate_crypto casemate_eif casemate_image casemate_attestation
    casemate_authority casemate_enclave casemate_machine casemate_kms_client CLI11::CLI11 Boost::json)
target_compile_definitions(casemate_cli PUBLIC CASEMATE_VERSION="${PROJECT_VERSION}")
