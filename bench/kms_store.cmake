# What reads and changes of the key management service's store cost, at any number of keys.
add_executable(bench_kms_store kms/store.cpp)
target_link_libraries(bench_kms_store PRIVATE casemate_options casemate_kms casemate_base)
