# The only room that includes OpenSSL. libssl is named where TLS contexts are made: other programs
# then don't load it.
find_package(OpenSSL 3.0 REQUIRED)
add_room(crypto PIC DEPENDS casemate_base OpenSSL::Crypto TEST_DEPENDS casemate_codec OpenSSL::SSL)
