add_room(guest DEPENDS casemate_base)
# Freestanding in spirit: the enclave's first process has nobody who could catch.
target_compile_options(casemate_guest PRIVATE -fno-exceptions -fno-rtti)
