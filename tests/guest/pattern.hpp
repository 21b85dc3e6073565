// The bytes that guest-peer's sources send, for both ends of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace casemate::guest_peer {

// fill_pattern writes what stands at offset, offset + 1, … of the endless pattern. It repeats only
// after 4 GiB, so a block lost, doubled or moved shows.
inline void fill_pattern(std::uint64_t offset, std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto at = static_cast<std::uint32_t>(offset + i);
        out[i] = static_cast<std::uint8_t>(at ^ (at >> 8U) ^ (at >> 16U) ^ (at >> 24U));
    }
}

}  // namespace casemate::guest_peer
