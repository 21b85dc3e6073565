// What a guest sees of its processors.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <vector>

namespace casemate::machine {

// guest_cpuid turns what KVM supports into the table of one vCPU: one package of vcpu_count cores
// without hyperthreads, APIC ids from 0 on; the hypervisor bit and the TSC deadline timer are set;
// nested virtualization, performance counters and the machine's own power management are left out.
[[nodiscard]] std::vector<kvm_cpuid_entry2> guest_cpuid(std::vector<kvm_cpuid_entry2> supported,
                                                        std::uint32_t vcpu_id,
                                                        std::uint32_t vcpu_count);

}  // namespace casemate::machine
