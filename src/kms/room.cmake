# SQLite is included by store/sqlite.cpp alone, PostgreSQL's libpq by store/postgresql.cpp, CLI11 by
# cli/arguments.cpp, yaml-cpp by cli/configuration.cpp.
find_package(OpenSSL 3.0 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(YAML_CPP REQUIRED IMPORTED_TARGET yaml-cpp)
add_room(kms DEPENDS casemate_base casemate_command_line casemate_codec casemate_crypto casemate_http casemate_policy
    casemate_sigv4 casemate_attestation Boost::json OpenSSL::SSL PkgConfig::SQLITE PkgConfig::LIBPQ
    CLI11::CLI11 PkgConfig::YAML_CPP)
target_compile_definitions(casemate_kms PRIVATE CASEMATE_VERSION="${PROJECT_VERSION}")
if(TARGET kms_tests)
    # The operations once more, over PostgreSQL; each by itself, over SQLite, is a test of the room.
    add_test(NAME kms.operations_on_postgresql COMMAND kms_tests --gtest_brief=1
        "--gtest_filter=Access*:Agreement*:Aliases*:Cipher*:CreateKey*:DataKey*:Generat*:Grant*:Import*:Key*:Mac*:Policies*:PublicKey*:Recipient*:Rotation*:Session*:Signing*:Tags*:Upkeep*")
    set_tests_properties(kms.operations_on_postgresql PROPERTIES LABELS unit TIMEOUT 600
        SKIP_REGULAR_EXPRESSION "SKIPPED: " ENVIRONMENT CASEMATE_KMS_TEST_STORE=postgresql)
endif()
