// Paths: where Casemate keeps its state, its sockets and its programs (DESIGN section 6).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace casemate::enclave {

struct Paths {
    // state outlives a restart of the machine: records and logs of enclaves. CASEMATE_STATE_DIR,
    // else /var/lib/casemate for root and ~/.local/share/casemate for others.
    std::string state;
    // runtime holds sockets and locks: CASEMATE_RUNTIME_DIR, else nitro-cli's own
    // NITRO_CLI_SOCKETS_PATH, else /run/casemate for root, $XDG_RUNTIME_DIR/casemate for others,
    // state/run without that variable.
    std::string runtime;
    // configuration is what the machine's administrator has written: CASEMATE_CONFIG_DIR, else
    // /etc/casemate.
    std::string configuration = "/etc/casemate";
    // programs is the directory of the running executable, where its siblings are.
    std::string programs;
    // kernel is the directory of the guest kernel and the software host's modules:
    // CASEMATE_KERNEL_DIR, else ../lib/casemate/kernel from the programs when one is there, else
    // CASEMATE_KERNEL_CACHE/current, else casemate/kernel/current in XDG_CACHE_HOME or ~/.cache.
    std::string kernel;
    // kvm_device: CASEMATE_KVM_DEVICE, else /dev/kvm.
    std::string kvm_device = "/dev/kvm";

    // RUNTIME/enclaves/ID, which exists while the enclave does; STATE/enclaves/ID, which stays.
    [[nodiscard]] std::string enclaves() const { return runtime + "/enclaves"; }
    [[nodiscard]] std::string enclave(const std::string& id) const { return enclaves() + "/" + id; }
    [[nodiscard]] std::string histories() const { return state + "/enclaves"; }
    [[nodiscard]] std::string history(const std::string& id) const {
        return histories() + "/" + id;
    }
    // STATE/authority holds the hierarchy that certifies enclaves.
    [[nodiscard]] std::string authority() const { return state + "/authority"; }
    // RUNTIME/cid/CID is a link to the enclave's vsock socket.
    [[nodiscard]] std::string cids() const { return runtime + "/cid"; }
    [[nodiscard]] std::string cid(std::uint32_t cid) const {
        return cids() + "/" + std::to_string(cid);
    }
    // RUNTIME/parent/PORT: unix sockets that guests of every enclave reach as the parent's ports.
    [[nodiscard]] std::string parent_ports() const { return runtime + "/parent"; }
    [[nodiscard]] std::string control(const std::string& id) const {
        return enclave(id) + "/control";
    }
    [[nodiscard]] std::string program(const std::string& name) const {
        return programs + "/" + name;
    }
};

// find_paths reads the environment and the place of the running executable. Errors: Errno when
// /proc is not there; EnclaveErrc::file_operation when a user without a home needs one.
[[nodiscard]] Result<Paths> find_paths();

// make_directories makes what is missing of the state and runtime directories: state 0700, runtime
// 0755. Errors: EnclaveErrc::file_operation, saying which directory and which variable moves it.
[[nodiscard]] Result<> make_directories(const Paths& paths);

// check_directories refuses a state or runtime directory that another user but root owns, or that
// everybody may write to: they decide what its sockets, records and logs are. What lies below has
// been made by this user then, or handed to somebody on purpose. Errors: as make_directories.
[[nodiscard]] Result<> check_directories(const Paths& paths);

}  // namespace casemate::enclave
