add_program(casemate_vmm casemate_vmm STATIC)
