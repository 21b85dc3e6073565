// The machine room's errors.
#pragma once

#include <string_view>

namespace casemate::machine {

enum class MachineErrc {
    // A control packet or a boot image's encoding is not what the protocol says.
    bad_message,
    // A guest-physical range is not inside the guest's memory, or overlaps another.
    bad_range,
    // The kernel is neither a 64-bit bzImage nor an ELF64 vmlinux, or its header contradicts
    // itself.
    bad_kernel,
    // The kernel, the ramdisks or the command line do not fit the guest.
    too_large,
    // KVM lacks something that the machine needs.
    unsupported,
};

[[nodiscard]] std::string_view describe(MachineErrc code);

}  // namespace casemate::machine
