// nitro-cli's error codes E00 to E60 (nitro-cli.md 3): one table for what commands report, for exit
// statuses and for `explain`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace casemate::cli {

// ErrorCode: the value is the code's number, which is also the exit status.
enum class ErrorCode : std::uint8_t {
    unspecified = 0,
    missing_argument = 1,
    conflicting_arguments = 2,
    invalid_argument = 3,
    socket_pair_creation = 4,
    process_spawn = 5,
    daemonize = 6,
    read_from_disk = 7,
    unusable_connection = 8,
    socket_close = 9,
    socket_timeout = 10,
    socket = 11,
    epoll = 12,
    inotify = 13,
    invalid_command = 14,
    lock_acquire = 15,
    thread_join = 16,
    serialization = 17,
    file_permissions = 18,
    file_operation = 19,
    invalid_cpu_configuration = 20,
    no_such_cpu = 21,
    insufficient_cpus = 22,
    malformed_cpu_id = 23,
    cpu = 24,
    no_such_hugepage_flag = 25,
    insufficient_memory_requested = 26,
    insufficient_memory_available = 27,
    invalid_enclave_descriptor = 28,
    ioctl = 29,
    image_load_info = 30,
    set_memory_region = 31,
    add_vcpu = 32,
    enclave_start = 33,
    memory_overflow = 34,
    eif_parsing = 35,
    enclave_boot = 36,
    event_wait = 37,
    command_not_executed = 38,
    process_connection = 39,
    socket_path_not_found = 40,
    send_reply = 41,
    memory_map = 42,
    memory_unmap = 43,
    console_connection = 44,
    console_read = 45,
    console_write = 46,
    integer_parsing = 47,
    eif_building = 48,
    docker_build = 49,
    docker_pull = 50,
    artifacts_path = 51,
    blobs_path = 52,
    clock_skew = 53,
    signal_mask = 54,
    signal_unmask = 55,
    logger = 56,
    hasher = 57,
    naming = 58,
    eif_signature = 59,
    signing = 60,
};

// ErrorText: what is known about one code.
struct ErrorText {
    // name: "Insufficient CPUs available".
    std::string_view name;
    // help: what it means, when it happens here and what to do about it.
    std::string_view help;
};

[[nodiscard]] const ErrorText& text_of(ErrorCode code);

// label is "E07".
[[nodiscard]] std::string label(ErrorCode code);

// code_of reads a label of either case; nothing when there is no such code.
[[nodiscard]] std::optional<ErrorCode> code_of(std::string_view label);

// exit_status is the code's number. E00 is the exception: with nitro-cli it exits 0, which makes a
// script take the failure for success; here it is 1.
[[nodiscard]] int exit_status(ErrorCode code);

// CommandError: an error for the user, as a value.
struct CommandError {
    ErrorCode code = ErrorCode::unspecified;
    // sentence says what was expected and what was found.
    std::string sentence;
};

}  // namespace casemate::cli
