add_fuzz_target(cose casemate_codec)
