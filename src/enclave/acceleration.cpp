#include "enclave/vmm_link.hpp"
#include "machine/probe.hpp"

namespace casemate::enclave {

Chosen choose_acceleration(Acceleration wanted, const Paths& paths) {
    if (wanted != Acceleration::automatic) {
        return {wanted, "asked for"};
    }
    const machine::KvmProbe probe = machine::probe_kvm(paths.kvm_device);
    if (probe.kind == machine::KvmKind::hardware) {
        return {Acceleration::kvm, probe.detail};
    }
    return {Acceleration::software, probe.detail};
}

}  // namespace casemate::enclave
