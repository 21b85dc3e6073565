# Boost.JSON reads and writes policies, in document.cpp alone.
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(policy DEPENDS casemate_base casemate_codec Boost::json)
