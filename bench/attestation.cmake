# Rates of attestation documents against OpenSSL's own, for bench/attestation_rates.
add_executable(bench_attestation attestation/rates.cpp)
target_link_libraries(bench_attestation PRIVATE casemate_options casemate_authority
    casemate_attestation casemate_nsm casemate_eif casemate_base OpenSSL::Crypto)
