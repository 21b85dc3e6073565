# Load on casemate-kms against the raw cryptography, for bench/kms_rates.
add_executable(bench_kms kms/load.cpp kms/raw.cpp kms/service.cpp)
target_link_libraries(bench_kms PRIVATE casemate_options casemate_kms casemate_http casemate_sigv4
    casemate_attestation casemate_crypto casemate_base Boost::json OpenSSL::SSL OpenSSL::Crypto)
