# SQLite is included by store/sqlite.cpp alone, PostgreSQL's libpq by store/postgresql.cpp, CLI11 by
# cli/arguments.cpp, yaml-cpp by cli/configuration.cpp.
find_package(OpenSSL 3.0 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(YAML_CPP REQUIRED IMPORTED_TARGET yaml-cpp)
add_room(kms DEPENDS casemate_base casemate_codec casemate_crypto casemate_http casemate_policy
    casemate_sigv4 casemate_attestation Boost::json OpenSSL::SSL PkgConfig::SQLITE PkgConfig::LIBPQ
    CLI11::CLI11 PkgConfig::YAML_CPP)
target_compile_definitions(casemate_kms PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")
