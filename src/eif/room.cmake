find_package(ZLIB REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
add_room(eif PIC DEPENDS casemate_base casemate_codec casemate_crypto ZLIB::ZLIB Boost::json)
