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
                           text.starts_with("XDG_") || text.starts_with("CASEMATE_");
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
        return Error(EnclaveErrc::machine_refused, "expected to open " + request.paths->kvm_device +
                                                       ", found " + kvm.error().message() +
                                                       "; `casemate doctor` says what to do, and "
                                                       "--accel software needs no virtualization");
    }
    link.kvm = std::move(*kvm);
    CASEMATE_TRY(NamedProcess process,
                 spawn_with_control(*request.paths, "casemate-vmm", request.log, link.control));
    link.processes.push_back(std::move(process));
    return link;
}

}  // namespace casemate::enclave
