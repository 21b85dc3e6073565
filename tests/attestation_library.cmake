# libcasemate-attestation as other programs find it: installed, with pkg-config. Those are not built
# with sanitizers.
if(NOT CASEMATE_TESTS OR CASEMATE_SANITIZE)
    return()
endif()
add_test(NAME attestation_library COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attestation_library/run
    ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR} ${CMAKE_COMMAND} ${CMAKE_C_COMPILER}
    ${CMAKE_CXX_COMPILER})
set_tests_properties(attestation_library PROPERTIES LABELS unit TIMEOUT 120)
