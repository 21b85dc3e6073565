// Errors of the software host.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace casemate::softhost {

enum class SofthostErrc {
    // A frame is not well-formed.
    bad_frame,
    // A well-formed frame breaks the relay's rules: unknown channel, more than the credit, …
    protocol,
    // A program, kernel or device that the software host needs is not there.
    missing,
    // The software host did not come up.
    not_ready,
    // The software host ended before its VMM did.
    ended_early,
    // Its KVM can't run a virtual machine.
    kvm_unusable,
};

[[nodiscard]] std::string_view describe(SofthostErrc code);

}  // namespace casemate::softhost
