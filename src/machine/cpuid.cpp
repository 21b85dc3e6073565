#include "machine/cpuid.hpp"

#include <algorithm>
#include <bit>

namespace casemate::machine {

namespace {

// Leaves and bits: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
constexpr std::uint32_t kFeatures = 0x1;
constexpr std::uint32_t kVmx = 1U << 5U;
constexpr std::uint32_t kTscDeadline = 1U << 24U;
constexpr std::uint32_t kHypervisor = 1U << 31U;
constexpr std::uint32_t kHyperthreading = 1U << 28U;

constexpr std::uint32_t kIntelCache = 0x4;
constexpr std::uint32_t kPower = 0x6;
constexpr std::uint32_t kPerformance = 0xa;
constexpr std::uint32_t kTopology = 0xb;
constexpr std::uint32_t kTopologyV2 = 0x1f;

constexpr std::uint32_t kAmdFeatures = 0x8000'0001;
constexpr std::uint32_t kSvm = 1U << 2U;
constexpr std::uint32_t kCoreLegacy = 1U << 1U;
constexpr std::uint32_t kTopologyExtensions = 1U << 22U;
constexpr std::uint32_t kPerformanceCounters = (1U << 23U) | (1U << 24U) | (1U << 28U);
constexpr std::uint32_t kAmdSizes = 0x8000'0008;
constexpr std::uint32_t kSvmFeatures = 0x8000'000a;
constexpr std::uint32_t kAmdCache = 0x8000'001d;
constexpr std::uint32_t kAmdTopology = 0x8000'001e;
constexpr std::uint32_t kAmdPerformance = 0x8000'0022;

constexpr std::uint32_t kLevelTypeThread = 1U << 8U;
constexpr std::uint32_t kLevelTypeCore = 2U << 8U;

void clear(kvm_cpuid_entry2& entry) {
    entry.eax = 0;
    entry.ebx = 0;
    entry.ecx = 0;
    entry.edx = 0;
}

// Processor: the position of one vCPU.
struct Processor {
    std::uint32_t id;
    std::uint32_t count;
    // id_bits is how many bits of the APIC id tell the cores apart.
    std::uint32_t id_bits;
};

// put_topology fills the levels of leaf 0xb or 0x1f: threads, then cores, then nothing.
void put_topology(kvm_cpuid_entry2& entry, const Processor& processor) {
    const std::uint32_t level = entry.index;
    clear(entry);
    entry.ecx = level;
    entry.edx = processor.id;
    if (level == 0) {
        entry.ebx = 1;
        entry.ecx |= kLevelTypeThread;
    } else if (level == 1) {
        entry.eax = processor.id_bits;
        entry.ebx = processor.count;
        entry.ecx |= kLevelTypeCore;
    }
}

// share_cache says that caches of level 3 serve every core and the others one. The field with one
// less than the number of sharers is the same in Intel's leaf and AMD's.
void share_cache(kvm_cpuid_entry2& entry, const Processor& processor, bool intel) {
    constexpr std::uint32_t kSharers = 0xfffU << 14U;
    constexpr std::uint32_t kCores = 0x3fU << 26U;
    const std::uint32_t level = (entry.eax >> 5U) & 7U;
    const std::uint32_t sharers = level >= 3 ? (1U << processor.id_bits) - 1 : 0;
    entry.eax = (entry.eax & ~kSharers) | (sharers << 14U);
    if (intel && (entry.eax & 0x1fU) != 0) {
        const std::uint32_t cores = std::min((1U << processor.id_bits) - 1, 0x3fU);
        entry.eax = (entry.eax & ~kCores) | (cores << 26U);
    }
}

void put_features(kvm_cpuid_entry2& entry, const Processor& processor) {
    entry.ebx = (entry.ebx & 0xffffU) | ((1U << processor.id_bits) << 16U) | (processor.id << 24U);
    entry.ecx = (entry.ecx & ~kVmx) | kHypervisor | kTscDeadline;
    entry.edx = processor.count > 1 ? entry.edx | kHyperthreading : entry.edx & ~kHyperthreading;
}

void put_amd_features(kvm_cpuid_entry2& entry, const Processor& processor) {
    entry.ecx &= ~(kSvm | kPerformanceCounters | kCoreLegacy);
    if (processor.count > 1 && (entry.ecx & kTopologyExtensions) != 0) {
        entry.ecx |= kCoreLegacy;
    }
}

void adjust(kvm_cpuid_entry2& entry, const Processor& processor) {
    switch (entry.function) {
        case kFeatures:
            return put_features(entry, processor);
        case kIntelCache:
            return share_cache(entry, processor, true);
        case kPower:
            // Only "APIC timer always runs" means anything to a guest.
            entry.eax &= 1U << 2U;
            entry.ebx = 0;
            entry.ecx = 0;
            entry.edx = 0;
            return;
        case kPerformance:
        case kSvmFeatures:
        case kAmdPerformance:
            return clear(entry);
        case kTopology:
        case kTopologyV2:
            return put_topology(entry, processor);
        case kAmdFeatures:
            return put_amd_features(entry, processor);
        case kAmdSizes:
            entry.ecx = (processor.id_bits << 12U) | (processor.count - 1);
            return;
        case kAmdCache:
            return share_cache(entry, processor, false);
        case kAmdTopology:
            entry.eax = processor.id;
            entry.ebx = processor.id & 0xffU;
            entry.ecx = 0;
            return;
        default:
            return;
    }
}

}  // namespace

std::vector<kvm_cpuid_entry2> guest_cpuid(std::vector<kvm_cpuid_entry2> supported,
                                          std::uint32_t vcpu_id, std::uint32_t vcpu_count) {
    const Processor processor{vcpu_id, vcpu_count,
                              static_cast<std::uint32_t>(std::bit_width(vcpu_count - 1))};
    // KVM lists one level of the topology, or as many as the machine itself has.
    std::erase_if(supported, [](const auto& entry) {
        return (entry.function == kTopology || entry.function == kTopologyV2) && entry.index != 0;
    });
    std::vector<kvm_cpuid_entry2> table;
    for (auto& entry : supported) {
        const bool topology = entry.function == kTopology || entry.function == kTopologyV2;
        const std::uint32_t levels = topology ? 3 : 1;
        for (std::uint32_t level = 0; level < levels; ++level) {
            kvm_cpuid_entry2 copy = entry;
            if (topology) {
                copy.index = level;
                copy.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
            }
            adjust(copy, processor);
            table.push_back(copy);
        }
    }
    return table;
}

}  // namespace casemate::machine
