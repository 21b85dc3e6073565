# casemate-nsm without a guest in front of it, for bench/nsm_round_trip.
add_executable(bench_nsm_direct nsm/direct.cpp)
target_link_libraries(bench_nsm_direct PRIVATE casemate_options casemate_nsm casemate_base)
