add_program(eif_build casemate_eif_build)
# AWS's name, with its underscore.
set_target_properties(program_eif_build PROPERTIES OUTPUT_NAME eif_build)
