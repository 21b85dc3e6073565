#include "enclave/vmm_link.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/os_error.hpp"
#include "enclave/errors.hpp"
#include "enclave/lifecycle.hpp"

namespace casemate::enclave {

namespace {

Result<NamedProcess> spawn_with_control(const Paths& paths, const std::string& name, int log,
                                        UniqueFd& control) {
    CASEMATE_TRY(FdPair sockets, make_socket_pair(SOCK_SEQPACKET));
    SpawnOptions options;
    options.program = paths.program(name);
    options.environment = child_environment(paths);
    options.standard_output = log;
    options.standard_error = log;
    options.passed_fds = {sockets.second.get()};
    auto process = Process::spawn(options);
    if (!process) {
        return Error(EnclaveErrc::process_spawn, "expected to start " + options.program +
                                                     ", found " + process.error().message());
    }
    control = std::move(sockets.first);
    return NamedProcess{name, std::move(*process)};
}

// As nitro-cli says it of its own device, with what to do.
Error no_kvm(const std::string& device, const Error& found) {
    std::string advice = "`casemate doctor` says what this machine can do";
    if (found.is(static_cast<Errno>(EACCES))) {
        advice =
            "its group, kvm as a rule, may open it (as root: usermod -aG kvm USER; then log in "
            "again); `casemate doctor` says more";
    } else if (found.is(static_cast<Errno>(ENOENT))) {
        advice = "load the module kvm_intel or kvm_amd, and turn virtualization on in the firmware";
    }
    return {EnclaveErrc::file_operation, "expected to open the machine's virtualization, found " +
                                             found.message() + ". File: '" + device +
                                             "', failing operation: 'Open'; " + advice +
                                             ", and --accel software needs no virtualization"};
}

}  // namespace

std::vector<std::string> child_environment(const Paths& paths) {
    return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "CASEMATE_RUNTIME_DIR=" + paths.runtime};
}

std::vector<std::string> supervisor_environment(const Paths& paths) {
    std::vector<std::string> kept{"CASEMATE_RUNTIME_DIR=" + paths.runtime};
    for (char** entry = ::environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const bool place = text.starts_with("PATH=") || text.starts_with("HOME=") ||
                           text.starts_with("XDG_") || text.starts_with("CASEMATE_") ||
                           text.starts_with("NITRO_CLI_LOGS_PATH=") ||
                           text.starts_with("RUST_LOG=");
        // The authority's keys may be a token's, whose module has a configuration of its own.
        const bool token = text.starts_with("PKCS11_") || text.starts_with("SOFTHSM2_CONF=");
        if (token || (place && !text.starts_with("CASEMATE_RUNTIME_DIR="))) {
            kept.emplace_back(text);
        }
    }
    return kept;
}

Result<NamedProcess> start_nsm(const Paths& paths, int log, UniqueFd& control) {
    return spawn_with_control(paths, std::string(kModuleProgram), log, control);
}

Result<VmmLink> start_direct(const VmmRequest& request) {
    VmmLink link;
    auto kvm = open_file(request.paths->kvm_device, O_RDWR);
    if (!kvm) {
        return no_kvm(request.paths->kvm_device, kvm.error());
    }
    link.kvm = std::move(*kvm);
    CASEMATE_TRY(NamedProcess process,
                 spawn_with_control(*request.paths, "casemate-vmm", request.log, link.control));
    link.processes.push_back(std::move(process));
    return link;
}

}  // namespace casemate::enclave
