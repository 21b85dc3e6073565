# The client of KMS: a room of its own, for it has exceptions, OpenSSL and Boost beneath it.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(guest_kms PIC DIRECTORY guest/kms
    DEPENDS casemate_base casemate_codec casemate_crypto casemate_http casemate_sigv4 nsm_static
        Boost::json
    TEST_DEPENDS casemate_attestation OpenSSL::SSL)
target_include_directories(casemate_guest_kms PUBLIC ${CMAKE_SOURCE_DIR}/include)
target_compile_definitions(casemate_guest_kms PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")
