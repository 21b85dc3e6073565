// The question every software host has to answer before it says hello: does its KVM run code?
#pragma once

#include "base/result.hpp"

namespace casemate::softhost {

// check_kvm makes a virtual machine of one page on kvm (an open /dev/kvm, which stays the caller's)
// and runs one HLT in it. SofthostErrc::kvm_unusable says what happened instead.
[[nodiscard]] Result<> check_kvm(int kvm);

}  // namespace casemate::softhost
