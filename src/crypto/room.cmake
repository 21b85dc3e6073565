# The only room that includes OpenSSL.
find_package(OpenSSL 3.0 REQUIRED)
add_room(crypto PIC DEPENDS casemate_base OpenSSL::Crypto TEST_DEPENDS casemate_codec)
