// The bytes that guest-peer's sources send, for both ends of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace casemate::guest_peer {

// pattern_byte is the byte at an offset of the endless pattern. It repeats only after 4 GiB, so a
// block that is lost, doubled or moved shows.
[[nodiscard]] inline std::uint8_t pattern_byte(std::uint64_t offset) {
    const auto at = static_cast<std::uint32_t>(offset);
    return static_cast<std::uint8_t>(at ^ (at >> 8U) ^ (at >> 16U) ^ (at >> 24U));
}

// fill_pattern writes what stands at offset, offset + 1, …; offset is a multiple of 8. Eight bytes
// at a time: an emulated CPU does not do this quickly.
inline void fill_pattern(std::uint64_t offset, std::span<std::uint8_t> out) {
    constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;
    constexpr std::uint64_t kSteps = 0x0706'0504'0302'0100;
    std::size_t done = 0;
    for (; out.size() - done >= sizeof(std::uint64_t); done += sizeof(std::uint64_t)) {
        const std::uint64_t word = (pattern_byte(offset + done) * kEach) ^ kSteps;
        std::memcpy(out.data() + done, &word, sizeof(word));
    }
    for (; done < out.size(); ++done) {
        out[done] = pattern_byte(offset + done);
    }
}

}  // namespace casemate::guest_peer
