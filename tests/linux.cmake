# Linux guests: each class is one test, so that ctest can run them side by side.
if(NOT CASEMATE_TESTS)
    return()
endif()
# Debian's own, which has the packages of tools/packages.sh, whatever else the PATH holds.
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# The enclave image that they all run.
add_test(NAME linux.guest_image COMMAND $<TARGET_FILE:program_casemate> build-enclave
    --docker-uri dir:${CMAKE_BINARY_DIR}/tests/guest-root
    --output-file ${CMAKE_BINARY_DIR}/tests/guest.eif -- /bin/guest-peer serve)
set_tests_properties(linux.guest_image PROPERTIES LABELS e2e TIMEOUT 120 FIXTURES_SETUP guest_image)

# add_linux_test(MODULE CLASS SECONDS): a class of tests/linux/MODULE.py.
function(add_linux_test module class seconds)
    add_test(NAME linux.${module}.${class}
        COMMAND ${DEBIAN_PYTHON} -B -m unittest -v ${module}.${class}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/linux)
    set_tests_properties(linux.${module}.${class} PROPERTIES
        LABELS e2e TIMEOUT ${seconds} FIXTURES_REQUIRED guest_image
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endfunction()

add_linux_test(stream_test Streams 900)
add_linux_test(lifecycle_test Boot 900)
add_linux_test(lifecycle_test End 900)
add_linux_test(lifecycle_test Death 900)
add_linux_test(lifecycle_test Many 1800)
add_linux_test(health_test Health 900)
add_linux_test(health_test Restarts 900)
add_linux_test(health_test Ends 600)
add_linux_test(build_test Build 300)
add_linux_test(boot_test Forged 900)
add_linux_test(boot_test Container 600)
add_linux_test(refusal_test Refusal 300)
add_linux_test(direct_test Direct 300)
add_linux_test(vsock_verbs_test VsockVerbs 300)
add_linux_test(nsm_test Driver 600)
add_linux_test(nsm_test Faces 600)
add_linux_test(attestation_test Documents 900)
add_linux_test(attestation_test AttestedHello 900)
add_linux_test(signing_test Signatures 300)
add_linux_test(signing_test Enclaves 600)
add_linux_test(kms_test KmsSecret 1200)
add_linux_test(nitro_cli_test Conformance 600)

# The builder alone: no guest runs.
foreach(class AwsLayout Reproducible Arm Hostile Interrupted Progress)
    add_linux_test(builder_test ${class} 900)
    set_tests_properties(linux.builder_test.${class} PROPERTIES FIXTURES_REQUIRED "")
endforeach()
