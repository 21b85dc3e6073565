// What a dead vCPU was doing, for people.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <optional>
#include <string>

#include "machine/guest_memory.hpp"

namespace casemate::machine {

// describe_registers writes registers, segments, control registers and the code at RIP.
[[nodiscard]] std::string describe_registers(const kvm_regs& registers, const kvm_sregs& segments,
                                             const GuestMemory& memory);

// translate finds the guest-physical address of a virtual one by the guest's own page tables, four
// levels (Intel SDM volume 3, 4.5); nothing when they lead nowhere. Without paging the two are the
// same.
[[nodiscard]] std::optional<std::uint64_t> translate(const kvm_sregs& segments,
                                                     const GuestMemory& memory,
                                                     std::uint64_t address);

}  // namespace casemate::machine
