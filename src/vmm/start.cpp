#include "vmm/start.hpp"

#include <string>

#include "machine/layout.hpp"

namespace casemate::vmm {

namespace {

// linux/vm_sockets.h: 0 to 2 are the hypervisor, loopback and the host, all ones is "any"; 3 is the
// parent (formats.md 3.6).
constexpr std::uint32_t kFirstGuestCid = 4;
constexpr std::uint32_t kAnyCid = 0xffff'ffff;

Error bad_request(std::string detail) {
    return {VmmErrc::bad_request, std::move(detail)};
}

}  // namespace

std::string_view describe(VmmErrc code) {
    switch (code) {
        case VmmErrc::bad_request:
            return "bad request";
    }
    return "unknown VMM error";
}

Result<StartDescriptors> take_descriptors(std::vector<UniqueFd> descriptors) {
    if (descriptors.size() != 4) {
        return bad_request("expected 4 descriptors with Start, found " +
                           std::to_string(descriptors.size()));
    }
    return StartDescriptors{std::move(descriptors[0]), std::move(descriptors[1]),
                            std::move(descriptors[2]), std::move(descriptors[3])};
}

Result<> check_start(const machine::Start& start) {
    if (start.memory_bytes < machine::kMinMemory || start.memory_bytes > machine::kMaxMemory ||
        start.memory_bytes % machine::kPageSize != 0) {
        return bad_request("expected whole pages from " + std::to_string(machine::kMinMemory) +
                           " to " + std::to_string(machine::kMaxMemory) +
                           " bytes of memory, found " + std::to_string(start.memory_bytes));
    }
    if (start.vcpu_count == 0 || start.vcpu_count > machine::kMaxVcpus) {
        return bad_request("expected 1 to " + std::to_string(machine::kMaxVcpus) +
                           " vCPUs, found " + std::to_string(start.vcpu_count));
    }
    if (!start.pinned_cpus.empty() && start.pinned_cpus.size() != start.vcpu_count) {
        return bad_request("expected a CPU for each of " + std::to_string(start.vcpu_count) +
                           " vCPUs or for none, found " + std::to_string(start.pinned_cpus.size()));
    }
    if (start.guest_cid < kFirstGuestCid || start.guest_cid == kAnyCid) {
        return bad_request("expected a guest's CID, found " + std::to_string(start.guest_cid));
    }
    return {};
}

}  // namespace casemate::vmm
