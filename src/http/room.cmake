# The only room that includes Boost.Beast: server.cpp and client.cpp do, each alone.
find_package(OpenSSL 3.0 REQUIRED)
add_room(http PIC DEPENDS casemate_base casemate_crypto OpenSSL::SSL)
