// KVM's handles: the system, one virtual machine. linux/kvm.h names everything else.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/errors.hpp"
#include "machine/guest_memory.hpp"
#include "machine/mmio.hpp"

namespace casemate::machine {

// Vm: one virtual machine of KVM's. Owns its descriptor.
class Vm {
public:
    // make_interrupt_controllers makes the two PICs, the IOAPIC, a local APIC for each vCPU to
    // come, and the PIT. Before the first vCPU.
    [[nodiscard]] Result<> make_interrupt_controllers() const;
    // set_memory gives the guest its RAM, which must outlive the machine.
    [[nodiscard]] Result<> set_memory(const GuestMemory& memory) const;
    // route_interrupt has the line raise the global system interrupt gsi.
    [[nodiscard]] Result<> route_interrupt(std::uint32_t gsi, const InterruptLine& line) const;
    // watch_write has a 4-byte write of value to a guest-physical address signal eventfd, without
    // the vCPU leaving the kernel. The eventfd stays the caller's.
    [[nodiscard]] Result<> watch_write(std::uint64_t address, std::uint32_t value,
                                       int eventfd) const;
    [[nodiscard]] Result<UniqueFd> create_vcpu(std::uint32_t id) const;

private:
    friend class Kvm;
    explicit Vm(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};

// Kvm: /dev/kvm. Owns its descriptor.
class Kvm {
public:
    // take checks that the descriptor is KVM's and that it has all that a Machine uses;
    // MachineErrc::unsupported says what it lacks.
    [[nodiscard]] static Result<Kvm> take(UniqueFd fd);

    [[nodiscard]] Result<Vm> create_vm() const;
    // supported_cpuid is what this processor and KVM can give a guest.
    [[nodiscard]] Result<std::vector<kvm_cpuid_entry2>> supported_cpuid() const;
    // has tells whether KVM has a capability (KVM_CAP_…) at all.
    [[nodiscard]] bool has(long capability) const;
    // run_area_size is the size of the memory that each vCPU shares with KVM, in bytes.
    [[nodiscard]] Result<std::size_t> run_area_size() const;

private:
    explicit Kvm(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};

// set_cpuid gives a vCPU its table. Before anything else of it is set: what is a legal value
// depends on the table.
[[nodiscard]] Result<> set_cpuid(int vcpu, const std::vector<kvm_cpuid_entry2>& table);

}  // namespace casemate::machine
