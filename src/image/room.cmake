find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
# ISA-L decompresses gzip at several times the speed of zlib.
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
add_room(image DEPENDS casemate_http casemate_codec casemate_crypto casemate_base Boost::json
    ZLIB::ZLIB PkgConfig::ZSTD PkgConfig::ISAL Threads::Threads)
