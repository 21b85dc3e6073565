# SQLite is included by store/sqlite.cpp alone, PostgreSQL's libpq by store/postgresql.cpp.
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
add_room(kms DEPENDS casemate_base casemate_codec casemate_crypto casemate_policy casemate_sigv4
    casemate_attestation Boost::json PkgConfig::SQLITE PkgConfig::LIBPQ)
