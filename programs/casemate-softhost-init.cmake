add_program(casemate-softhost-init casemate_softhost STATIC)
