# Bare-metal guests, run by the real casemate-vmm. Each guests/NAME.cpp is a program of its own
# without a kernel; each *_test.cpp is part of baremetal_tests. Machines whose KVM emulates ring 0
# take microseconds for an instruction, so guests are a few thousand instructions long.
file(GLOB guests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/baremetal/guests/*.cpp)
set(guest_directory ${CMAKE_BINARY_DIR}/baremetal)
set(guest_targets)
foreach(source ${guests})
    get_filename_component(name ${source} NAME_WE)
    add_executable(baremetal_${name} ${source})
    set_target_properties(baremetal_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${guest_directory})
    target_include_directories(baremetal_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/baremetal/guests)
    # Nothing sets up SSE, a thread pointer or a red zone that survives.
    target_compile_options(baremetal_${name} PRIVATE
        -Wall -Wextra -Werror -Os -ffreestanding -fno-exceptions -fno-rtti -fno-stack-protector
        -fno-pic -fno-asynchronous-unwind-tables -fcf-protection=none -mgeneral-regs-only
        -mno-red-zone -fno-threadsafe-statics)
    target_link_options(baremetal_${name} PRIVATE
        -nostdlib -static -no-pie -Wl,-Ttext-segment=0x100000 -Wl,--build-id=none -Wl,-z,norelro
        -Wl,-z,noexecstack)
    list(APPEND guest_targets baremetal_${name})
endforeach()

file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/baremetal/*.cpp)
add_executable(baremetal_tests ${sources})
target_include_directories(baremetal_tests PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(baremetal_tests PRIVATE casemate_vmm GTest::gmock GTest::gtest_main)
target_compile_definitions(baremetal_tests PRIVATE
    CASEMATE_GUEST_DIR="${guest_directory}" CASEMATE_VMM="$<TARGET_FILE:program_casemate_vmm>")
add_dependencies(baremetal_tests program_casemate_vmm ${guest_targets})
gtest_discover_tests(baremetal_tests TEST_PREFIX "baremetal." DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS vm TIMEOUT 120)
