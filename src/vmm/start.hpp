// What a Start message must be before anything is made of it.
#pragma once

#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/control.hpp"

namespace casemate::vmm {

enum class VmmErrc {
    // The supervisor sent something that makes no sense at that moment.
    bad_request,
};

[[nodiscard]] std::string_view describe(VmmErrc code);

// StartDescriptors: what comes with a Start.
struct StartDescriptors {
    UniqueFd memory;
    UniqueFd nsm;
    UniqueFd console;
    UniqueFd kvm;
};

// take_descriptors names the four descriptors; VmmErrc::bad_request for any other number.
[[nodiscard]] Result<StartDescriptors> take_descriptors(std::vector<UniqueFd> descriptors);

// check_start refuses, with VmmErrc::bad_request, numbers outside of what a machine can have:
// whole pages of memory from kMinMemory to kMaxMemory, 1 to kMaxVcpus vCPUs, pins for all or none,
// and a CID that is neither reserved nor the parent's. The image is checked against the memory
// later.
[[nodiscard]] Result<> check_start(const machine::Start& start);

}  // namespace casemate::vmm
