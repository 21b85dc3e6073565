# yaml-cpp reads the instance's file, in instance.cpp alone.
find_package(PkgConfig REQUIRED)
pkg_check_modules(YAML_CPP REQUIRED IMPORTED_TARGET yaml-cpp)
add_room(authority DEPENDS casemate_base casemate_crypto casemate_attestation PkgConfig::YAML_CPP)
