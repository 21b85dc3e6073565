# add_fuzz_target(NAME SOURCE libraries...): one libFuzzer target and its corpus fuzz/corpus/NAME.
# Without libFuzzer the same target is built with a main of our own that replays the corpus, which
# every test run does.
function(add_fuzz_target name)
    add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/fuzz/${name}.cpp)
    target_link_libraries(fuzz_${name} PRIVATE casemate_options ${ARGN})
    if(CASEMATE_FUZZ)
        target_compile_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cpp)
    endif()
    if(CASEMATE_TESTS)
        add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
        set_tests_properties(fuzz.${name} PROPERTIES LABELS unit TIMEOUT 120)
    endif()
endfunction()

file(GLOB descriptions CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/fuzz/targets/*.cmake)
foreach(description ${descriptions})
    include(${description})
endforeach()
