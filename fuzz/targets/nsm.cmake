add_fuzz_target(nsm casemate_nsm)
