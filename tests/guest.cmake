# build/tests/guest-root: a root directory with the static program that tests run inside enclaves.
find_library(ZLIB_STATIC NAMES libz.a REQUIRED)
add_executable(guest_peer guest/main.cpp guest/streams.cpp guest/commands.cpp guest/kernel.cpp)
set_target_properties(guest_peer PROPERTIES
    OUTPUT_NAME guest-peer RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/guest-root/bin)
get_target_property(peer_options casemate_options INTERFACE_COMPILE_OPTIONS)
# No static program can have sanitizers.
list(FILTER peer_options EXCLUDE REGEX "sanitize")
target_include_directories(guest_peer PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/guest)
target_compile_options(guest_peer PRIVATE ${peer_options} -fno-exceptions -fno-rtti)
target_link_libraries(guest_peer PRIVATE ${ZLIB_STATIC})
target_link_options(guest_peer PRIVATE -static -s -Wl,--gc-sections)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/tests/guest-root/etc/passwd CONTENT
    "root:x:0:0:root:/root:/bin/sh\npeer:x:1000:1000:peer:/home/peer:/bin/sh\n")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/tests/guest-root/etc/group CONTENT
    "root:x:0:\npeer:x:1000:\nextra:x:2000:peer\n")

# A C program linked with libnsm.a, and nsm-cli, beside it.
add_executable(guest_nsm_program guest/nsm_program.c)
set_target_properties(guest_nsm_program PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF
    OUTPUT_NAME nsm-program RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/guest-root/bin)
target_compile_options(guest_nsm_program PRIVATE -Wall -Wextra -Wpedantic -Werror)
target_link_libraries(guest_nsm_program PRIVATE nsm_static)
target_link_options(guest_nsm_program PRIVATE -static -s)
set(guest_nsm_cli ${CMAKE_BINARY_DIR}/tests/guest-root/bin/nsm-cli)
add_custom_command(OUTPUT ${guest_nsm_cli}
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_FILE:program_nsm_cli> ${guest_nsm_cli}
    DEPENDS program_nsm_cli VERBATIM)
add_custom_target(guest_root ALL DEPENDS guest_peer guest_nsm_program ${guest_nsm_cli})

# build/tests/guest-oci: the same as a container image that starts `guest-peer serve`.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(guest_oci ${CMAKE_BINARY_DIR}/tests/guest-oci)
add_custom_command(OUTPUT ${guest_oci}/index.json
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/guest/make_image.py --tag guest
        ${CMAKE_BINARY_DIR}/tests/guest-root ${guest_oci} /bin/guest-peer serve
    DEPENDS guest_peer guest_nsm_program ${guest_nsm_cli} ${CMAKE_CURRENT_SOURCE_DIR}/guest/make_image.py
    COMMENT "Making the test image of guest-peer" VERBATIM)
add_custom_target(guest_image ALL DEPENDS ${guest_oci}/index.json)

if(CASEMATE_TESTS)
    add_executable(guest_peer_tests
        guest/services_test.cpp guest/streams.cpp guest/commands.cpp guest/kernel.cpp)
    target_include_directories(guest_peer_tests PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/guest)
    target_link_libraries(guest_peer_tests PRIVATE
        casemate_options ${ZLIB_STATIC} Threads::Threads GTest::gtest_main)
    gtest_discover_tests(guest_peer_tests TEST_PREFIX "guest_peer." DISCOVERY_TIMEOUT 60
        PROPERTIES LABELS unit TIMEOUT 120)

    find_program(DEBIAN_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
    add_test(NAME guest.libnsm_as_installed COMMAND ${DEBIAN_PYTHON} -B -m unittest -v link_test
        WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/guest)
    set_tests_properties(guest.libnsm_as_installed PROPERTIES LABELS unit TIMEOUT 300
        ENVIRONMENT "CASEMATE_BINARY_DIR=${CMAKE_BINARY_DIR}")
endif()
