// The enclave room's errors carry nitro-cli's own numbers, since every one of them reaches its user
// through a verb of the CLI (nitro-cli.md section 3).
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace casemate::enclave {

// EnclaveErrc: the enumerator's value is nitro-cli's number (E19 is 19).
enum class EnclaveErrc : int {
    missing_argument = 1,
    conflicting_arguments = 2,
    invalid_argument = 3,
    socket_pair = 4,
    process_spawn = 5,
    daemonize = 6,
    // The directory of the running enclaves can't be listed.
    read_from_disk = 7,
    invalid_command = 14,
    socket = 11,
    json = 17,
    file_operation = 19,
    duplicate_cpu = 20,
    no_such_cpu = 21,
    insufficient_cpus = 22,
    memory_too_small = 26,
    memory_unavailable = 27,
    // The steps of making the machine (machine/step.hpp).
    machine_not_created = 28,
    image_not_loaded = 30,
    memory_refused = 31,
    cpu_refused = 32,
    machine_not_started = 33,
    // What AWS's driver refuses: an occupied CID, no CPU at all; also no emulator to run in.
    machine_refused = 29,
    image_not_valid = 35,
    boot_failed = 36,
    // A supervisor refused what it was asked for.
    not_permitted = 38,
    not_connected = 39,
    console = 44,
    naming = 58,
    // The image's signature is not good, or its certificate is not valid now.
    signature_refused = 59,
};

[[nodiscard]] std::string_view describe(EnclaveErrc code);

// nitro_code gives the number of an error: its own when it is one of this room's, else fallback.
[[nodiscard]] int nitro_code(const Error& error, EnclaveErrc fallback);

}  // namespace casemate::enclave
