// VmmLink: what runs the guest, as the supervisor sees it: one control socket (machine/control.hpp)
// and the processes behind it. Under KVM that is casemate-vmm itself; else it is the software host,
// which carries the same packets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"
#include "base/result.hpp"
#include "enclave/configuration.hpp"

namespace casemate::enclave {

// NamedProcess: a process of the enclave; the name is what people read ("casemate-vmm", "QEMU").
struct NamedProcess {
    std::string name;
    Process process;
};

// VmmKeeper holds what has to live as long as the link.
class VmmKeeper {
public:
    VmmKeeper() = default;
    VmmKeeper(const VmmKeeper&) = delete;
    VmmKeeper& operator=(const VmmKeeper&) = delete;
    virtual ~VmmKeeper() = default;
};

struct VmmLink {
    // The supervisor's end.
    UniqueFd control;
    // Those to be watched; the software host watches its own.
    std::vector<NamedProcess> processes;
    // Passed to the VMM with Start; none for the software host, which has its own.
    UniqueFd kvm;
    std::unique_ptr<VmmKeeper> keeper;
};

// VmmRequest: what either kind of link needs to come up.
struct VmmRequest {
    const Paths* paths = nullptr;
    std::uint64_t memory_bytes = 0;
    // What the loader has written is in this file; it stays the caller's.
    int memory = -1;
    // Where the processes' standard error goes; it stays the caller's.
    int log = -1;
    // Says one line for the log.
    std::function<void(const std::string&)> say;
};

// start_direct starts casemate-vmm beside this program and opens /dev/kvm for it. Errors:
// EnclaveErrc::machine_refused, EnclaveErrc::process_spawn.
[[nodiscard]] Result<VmmLink> start_direct(const VmmRequest& request);

// start_software starts the software host; it comes up while the loop runs. Errors as above, when
// something it needs is missing.
[[nodiscard]] Result<VmmLink> start_software(EventLoop& loop, const VmmRequest& request);

// Chosen: the acceleration and why.
struct Chosen {
    Acceleration acceleration = Acceleration::kvm;
    std::string reason;
};

// choose_acceleration settles `automatic` by the probe of /dev/kvm.
[[nodiscard]] Chosen choose_acceleration(Acceleration wanted, const Paths& paths);

// start_nsm starts casemate-nsm with its control socket as descriptor 3; the supervisor's end is
// put into control.
[[nodiscard]] Result<NamedProcess> start_nsm(const Paths& paths, int log, UniqueFd& control);

// supervisor_environment passes on what says where things are (PATH, HOME, XDG_…, CASEMATE_…),
// what decides about the log that all share (NITRO_CLI_LOGS_PATH, RUST_LOG), and
// where tokens and their modules are (PKCS11_…, SOFTHSM2_CONF).
[[nodiscard]] std::vector<std::string> supervisor_environment(const Paths& paths);

// child_environment is what the processes that a supervisor starts itself get.
[[nodiscard]] std::vector<std::string> child_environment(const Paths& paths);

}  // namespace casemate::enclave
