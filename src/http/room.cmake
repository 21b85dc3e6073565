# The only room that includes Boost.Beast: request_parser.cpp for the server and response_parser.cpp
# for the client.
find_package(OpenSSL 3.0 REQUIRED)
add_room(http PIC DEPENDS casemate_base casemate_crypto OpenSSL::SSL)
