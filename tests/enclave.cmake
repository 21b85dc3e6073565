# The supervisor's process from the outside, with stand-ins for the processes it starts.
if(NOT CASEMATE_TESTS)
    return()
endif()

add_executable(fake_parts ${CMAKE_SOURCE_DIR}/tests/enclave/fake_parts.cpp)
target_link_libraries(fake_parts PRIVATE casemate_options casemate_machine casemate_nsm casemate_authority)

add_executable(supervisor_tests ${CMAKE_SOURCE_DIR}/tests/enclave/supervisor_test.cpp)
target_link_libraries(supervisor_tests PRIVATE casemate_enclave GTest::gmock GTest::gtest_main)
target_compile_definitions(supervisor_tests PRIVATE
    CASEMATE_BINARY_DIR="${CMAKE_BINARY_DIR}" CASEMATE_FAKE_PARTS="$<TARGET_FILE:fake_parts>")
add_dependencies(supervisor_tests fake_parts program_casemate_enclave)
gtest_discover_tests(supervisor_tests TEST_PREFIX "enclave." DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS unit TIMEOUT 120)
