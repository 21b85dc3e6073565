# The software host with a stand-in for casemate-vmm that runs no guest: what the relay carries.
# Programs with sanitizers are not static and can't run there.
if(NOT CASEMATE_TESTS OR CASEMATE_SANITIZE)
    return()
endif()
set(parts ${CMAKE_BINARY_DIR}/tests/softhost)
add_executable(softhost_stand_in softhost/stand_in_vmm.cpp)
set_target_properties(softhost_stand_in PROPERTIES
    OUTPUT_NAME casemate-vmm RUNTIME_OUTPUT_DIRECTORY ${parts})
target_link_libraries(softhost_stand_in PRIVATE casemate_machine)
target_link_options(softhost_stand_in PRIVATE -static)
add_custom_command(TARGET softhost_stand_in POST_BUILD COMMAND ${CMAKE_COMMAND} -E create_symlink
    $<TARGET_FILE:program_casemate_softhost_init> ${parts}/casemate-softhost-init)

add_executable(softhost_vm_tests softhost/software_host_test.cpp)
target_link_libraries(softhost_vm_tests PRIVATE casemate_softhost casemate_enclave casemate_test_paths
    GTest::gmock GTest::gtest_main)
add_dependencies(softhost_vm_tests softhost_stand_in program_casemate_softhost_init)
gtest_discover_tests(softhost_vm_tests TEST_PREFIX "softhost." DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS vm TIMEOUT 180)
