#include "machine/layout.hpp"

#include <algorithm>

namespace casemate::machine {

std::vector<MemoryRegion> memory_regions(std::uint64_t memory_bytes) {
    std::vector<MemoryRegion> regions;
    const std::uint64_t low = std::min(memory_bytes, kDeviceHole);
    if (low > 0) {
        regions.push_back({0, low, 0});
    }
    if (memory_bytes > low) {
        regions.push_back({kDeviceHoleEnd, memory_bytes - low, low});
    }
    return regions;
}

}  // namespace casemate::machine
