# casemate_options: the compiler's flags for every target.
add_library(casemate_options INTERFACE)
target_include_directories(casemate_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(casemate_options INTERFACE
    -Wall -Wextra -Werror -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
    -Wold-style-cast -Wcast-qual -Woverloaded-virtual -Wnull-dereference -Wformat=2 -Wundef
    -fno-strict-aliasing -fstack-protector-strong
    # Paths inside the binaries are the tree's, so that builds in two places are the same.
    -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
)
# const_cast is how iovec takes bytes that are only read.
target_compile_options(casemate_options INTERFACE -Wno-cast-qual)
# The compiler's own headers trip this one under -O2 with optional and variant.
target_compile_options(casemate_options INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-null-dereference -Wno-maybe-uninitialized>)
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_definitions(casemate_options INTERFACE _FORTIFY_SOURCE=2)
endif()
if(CASEMATE_SANITIZE)
    target_compile_options(casemate_options INTERFACE
        -fsanitize=${CASEMATE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(casemate_options INTERFACE -fsanitize=${CASEMATE_SANITIZE})
    # ThreadSanitizer does not follow fences, and g++ says so; those of virtio order this process
    # against the guest, which no sanitizer sees.
    target_compile_options(casemate_options INTERFACE
        $<$<CXX_COMPILER_ID:GNU>:-Wno-error=tsan>)
endif()
if(CASEMATE_FUZZ)
    # libFuzzer finds its way by the branches taken in the rooms, not only in its targets.
    target_compile_options(casemate_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
