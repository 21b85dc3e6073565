# AWS's neighbour tool eif_build: an enclave image of parts that are files already.
add_room(eif_build DEPENDS casemate_base casemate_command_line casemate_crypto casemate_eif casemate_cli CLI11::CLI11)
