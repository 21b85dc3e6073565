// probe_kvm: what kind of KVM this machine has.
#pragma once

#include <cstdint>
#include <string>

namespace casemate::machine {

enum class KvmKind : std::uint8_t {
    // There is no such device.
    absent,
    // It exists and may not be opened.
    no_permission,
    // It opens, but no virtual machine can be run with it.
    unusable,
    // It runs guests' kernels by interpreting them: too slow for Linux.
    emulated,
    // It runs guests on the processor.
    hardware,
};

struct KvmProbe {
    KvmKind kind = KvmKind::absent;
    // nanoseconds_per_instruction that a guest in ring 0 took; 0 when none ran.
    double nanoseconds_per_instruction = 0;
    // detail is a sentence for people.
    std::string detail;
};

// probe_kvm runs up to 100,000 instructions in ring 0 of a tiny virtual machine and times them. It
// takes well under half a second on an emulating machine too. path is where the device is.
[[nodiscard]] KvmProbe probe_kvm(const std::string& path = "/dev/kvm");

}  // namespace casemate::machine
