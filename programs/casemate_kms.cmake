add_program(casemate_kms casemate_kms casemate_enclave)
if(TARGET kms_tests)
    # They run it.
    add_dependencies(kms_tests program_casemate_kms)
endif()
