add_fuzz_target(cms casemate_crypto)
