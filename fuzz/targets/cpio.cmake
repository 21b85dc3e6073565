add_fuzz_target(cpio casemate_codec)
