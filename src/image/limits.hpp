// What an image may cost.
#pragma once

#include <cstdint>

namespace casemate::image {

// ImageLimits bounds what an image can make the reader do; beyond it is ImageErrc too_large.
struct ImageLimits {
    // total_bytes: what all layers together may be, unpacked.
    std::uint64_t total_bytes = 64ULL << 30U;
    // entries: how many entries the layers, and the tree made of them, may have.
    std::uint64_t entries = 1ULL << 20U;
    // name_bytes: how long the names and link targets of all entries may be together. They are held
    // in memory twice, and a compressed layer of a few megabytes can have gigabytes of them.
    std::uint64_t name_bytes = 512ULL << 20U;
};

}  // namespace casemate::image
