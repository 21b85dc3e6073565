# The tokenizer needs no building; its image is made by samples/tokenizer/build-image.
if(CASEMATE_TESTS)
    find_program(PYTHON3 python3 REQUIRED)
    add_test(NAME samples.tokenizer
        COMMAND ${PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/tokenizer/tokenizer_test.py)
    set_tests_properties(samples.tokenizer PROPERTIES LABELS unit TIMEOUT 60)
endif()
