# The benchmark that is the first process of the software host; bench/inside_software_host runs it.
add_executable(bench_inside inside/main.cpp inside/casemate_guest.cpp inside/qemu_guest.cpp)
target_include_directories(bench_inside PRIVATE ${CMAKE_SOURCE_DIR}/bench)
target_link_libraries(bench_inside PRIVATE casemate_options casemate_nsm casemate_machine casemate_base)
