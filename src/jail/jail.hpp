// The jail: how casemate-vmm and casemate-nsm give up everything but their descriptors before they
// look at anything a tenant has made.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "jail/profile.hpp"

namespace casemate::jail {

enum class JailErrc {
    // The profile contradicts itself, or the process already has threads.
    bad_profile,
    // A step that the jail can't do without was refused by the kernel.
    not_permitted,
};

[[nodiscard]] std::string_view describe(JailErrc code);

// Report: which of the layers that depend on the machine are missing, one sentence each, for the
// log. They come on top of the system-call filter, the descriptors, the capabilities and the
// resource limits, which are never missing: without one of those entering fails.
struct Report {
    std::vector<std::string> notes;
};

// isolate does everything but the system-call filter, in this order; the process must have one
// thread only:
//   * closes every descriptor that the profile does not keep;
//   * network, IPC, UTS and mount namespaces of its own, empty (through a user namespace when the
//     process may not otherwise), an empty read-only root directory, Landlock without a single
//     allowed path: where the kernel has them, else a note;
//   * user and group nobody when the process is root's; no capability at all;
//   * no new privileges, no core dump, not to be traced;
//   * the profile's resource limits. Signals by which the kernel enforces them are ignored: a write
//     that is too long fails.
// A parent-death signal that was set before is still set after. There is no process namespace: it
// would only hold children, and the filter lets a process make none.
// Errors: JailErrc. The process must end on one: it may hold some layers and not others.
[[nodiscard]] Result<Report> isolate(const Profile& profile);

// restrict_calls puts the profile's system-call filter on every thread of the process. It may be
// called again to allow less: a call must then pass both filters.
// Errors: JailErrc, and the process must end.
[[nodiscard]] Result<> restrict_calls(const Profile& profile);

// enter is isolate, then restrict_calls. A program that makes its threads in between calls the two
// itself.
[[nodiscard]] Result<Report> enter(const Profile& profile);

}  // namespace casemate::jail
