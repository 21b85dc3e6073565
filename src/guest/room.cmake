add_room(guest WITHOUT kms DEPENDS casemate_base casemate_codec TEST_DEPENDS casemate_nsm)
target_include_directories(casemate_guest PUBLIC ${CMAKE_SOURCE_DIR}/include)
# Freestanding in spirit: the enclave's first process has nobody who could catch.
target_compile_options(casemate_guest PRIVATE -fno-exceptions -fno-rtti)

include(${CMAKE_SOURCE_DIR}/src/guest/nsm/libnsm.cmake)
include(${CMAKE_SOURCE_DIR}/src/guest/kms/kms.cmake)

# The Python module: src/guest/python/casemate_nsm.py, which needs nothing to be built.
if(CASEMATE_TESTS)
    # Debian's own, which has the packages of tools/packages.sh, whatever else the PATH holds.
    find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
    add_test(NAME guest.python_module
        COMMAND ${DEBIAN_PYTHON} -B -m unittest -v casemate_nsm_test
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/src/guest/python)
    set_tests_properties(guest.python_module PROPERTIES LABELS unit TIMEOUT 120)
endif()
