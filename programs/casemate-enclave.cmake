add_program(casemate-enclave casemate_enclave)
