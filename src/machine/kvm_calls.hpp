// The KVM calls whose number C++ gets wrong: linux/kvm.h ends some structures with a flexible array
// inside an anonymous structure, which is a byte larger in C++ than in C, and the call's number
// contains the size.
#pragma once

#include <linux/kvm.h>

#include <cstddef>

namespace casemate::machine {

// What precedes the entries of kvm_cpuid2 and of kvm_msrs: a count and padding.
inline constexpr std::size_t kListHeadSize = 8;

inline constexpr unsigned long kGetSupportedCpuid =
    _IOC(_IOC_READ | _IOC_WRITE, KVMIO, 0x05, kListHeadSize);
inline constexpr unsigned long kSetCpuid2 = _IOC(_IOC_WRITE, KVMIO, 0x90, kListHeadSize);
inline constexpr unsigned long kSetMsrs = _IOC(_IOC_WRITE, KVMIO, 0x89, kListHeadSize);

}  // namespace casemate::machine
