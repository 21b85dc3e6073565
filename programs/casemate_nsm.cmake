# Everything is linked in, the cryptography too: the process then shares no writable memory with a
# dynamic linker, needs no file once it runs, and keeps a third of the memory.
if(CASEMATE_SANITIZE)
    add_program(casemate_nsm casemate_nsm casemate_jail)
    if(TARGET nsm_tests)
        add_dependencies(nsm_tests program_casemate_nsm)
    endif()
    return()
endif()

find_library(CASEMATE_STATIC_CRYPTO libcrypto.a REQUIRED)
find_library(CASEMATE_STATIC_ZLIB libz.a REQUIRED)
# By file and in the order of their use: the targets themselves bring the shared libraries.
set(rooms casemate_nsm casemate_jail casemate_eif casemate_machine casemate_crypto casemate_codec
    casemate_base)
set(archives)
foreach(room ${rooms})
    list(APPEND archives $<TARGET_FILE:${room}>)
endforeach()
add_program(casemate_nsm ${archives} ${CASEMATE_STATIC_CRYPTO} ${CASEMATE_STATIC_ZLIB})
add_dependencies(program_casemate_nsm ${rooms})
target_compile_options(program_casemate_nsm PRIVATE -fPIE)
# Unused parts go. libcrypto can open modules and look up hosts, which warns when linked statically;
# the jail lets it do neither.
target_link_options(program_casemate_nsm PRIVATE
    -static-pie -Wl,--gc-sections -Wl,--no-warnings)
if(TARGET nsm_tests)
    # They run it.
    add_dependencies(nsm_tests program_casemate_nsm)
endif()
