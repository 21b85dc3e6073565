# The three rooms that a document goes through, without a machine: the authority certifies, the
# security module's code signs, the verifier judges.
if(NOT CASEMATE_TESTS)
    return()
endif()

add_executable(trust_tests ${CMAKE_SOURCE_DIR}/tests/trust/trust_test.cpp)
target_link_libraries(trust_tests PRIVATE casemate_attestation casemate_authority casemate_nsm
    GTest::gmock GTest::gtest_main)
gtest_discover_tests(trust_tests TEST_PREFIX "trust." DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS unit TIMEOUT 120)
