#include "enclave/errors.hpp"

namespace casemate::enclave {

std::string_view describe(EnclaveErrc code) {
    switch (code) {
        case EnclaveErrc::missing_argument:
            return "missing argument";
        case EnclaveErrc::conflicting_arguments:
            return "conflicting arguments";
        case EnclaveErrc::invalid_argument:
            return "invalid argument";
        case EnclaveErrc::socket_pair:
            return "no sockets for the supervisor";
        case EnclaveErrc::daemonize:
            return "supervisor not in the background";
        case EnclaveErrc::read_from_disk:
            return "directory not readable";
        case EnclaveErrc::process_spawn:
            return "process not started";
        case EnclaveErrc::invalid_command:
            return "invalid command";
        case EnclaveErrc::socket:
            return "socket error";
        case EnclaveErrc::json:
            return "malformed JSON";
        case EnclaveErrc::not_permitted:
            return "not permitted";
        case EnclaveErrc::file_operation:
            return "file operation failed";
        case EnclaveErrc::duplicate_cpu:
            return "CPU given twice";
        case EnclaveErrc::no_such_cpu:
            return "no such CPU";
        case EnclaveErrc::insufficient_cpus:
            return "not enough CPUs";
        case EnclaveErrc::memory_too_small:
            return "memory too small";
        case EnclaveErrc::memory_unavailable:
            return "memory not available";
        case EnclaveErrc::machine_not_created:
            return "machine not created";
        case EnclaveErrc::image_not_loaded:
            return "image not loaded";
        case EnclaveErrc::memory_refused:
            return "memory refused";
        case EnclaveErrc::cpu_refused:
            return "CPU refused";
        case EnclaveErrc::machine_not_started:
            return "machine not started";
        case EnclaveErrc::machine_refused:
            return "machine refused";
        case EnclaveErrc::image_not_valid:
            return "not a valid enclave image";
        case EnclaveErrc::boot_failed:
            return "enclave did not boot";
        case EnclaveErrc::not_connected:
            return "enclave does not answer";
        case EnclaveErrc::console:
            return "no console";
        case EnclaveErrc::naming:
            return "no such name";
        case EnclaveErrc::signature_refused:
            return "image signature refused";
    }
    return "error";
}

int nitro_code(const Error& error, EnclaveErrc fallback) {
    return static_cast<int>(error.code_as<EnclaveErrc>().value_or(fallback));
}

}  // namespace casemate::enclave
