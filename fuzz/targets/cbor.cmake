add_fuzz_target(cbor casemate_codec)
