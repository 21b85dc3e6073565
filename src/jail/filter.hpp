// The system-call filter as a program for the kernel (seccomp(2), classic BPF).
//
// Written out here rather than through libseccomp, because a jailed process puts its second filter
// on itself: libseccomp first asks the kernel what it can do (seccomp and prctl with other
// arguments), and the 2.5 of Debian 12 hands a program out through a descriptor alone, so that the
// first filter would have to allow more than the programs need. It was measured to cost 110 KiB of
// resident memory in each of an enclave's processes as well. What is here is a table of
// comparisons, and a test runs the program over every case.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.hpp"
#include "jail/profile.hpp"

namespace casemate::jail {

// compile turns a profile into a filter program for x86-64. Calls of the other ABIs of the machine
// (32-bit, x32) are violations whatever their number. The listed order is the order of comparison.
// Errors: JailErrc::bad_profile for an argument index above 5, an argument rule without values, a
// call both allowed without conditions and refused, or a program longer than the kernel takes.
[[nodiscard]] Result<std::vector<sock_filter>> compile(const Profile& profile);

}  // namespace casemate::jail
