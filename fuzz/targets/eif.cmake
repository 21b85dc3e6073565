add_fuzz_target(eif casemate_eif)
