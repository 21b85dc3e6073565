add_fuzz_target(sigv4 casemate_sigv4)
