// CRC-32/ISO-HDLC (formats.md 1.3).
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace casemate::eif {

// crc32 continues the checksum of what came before (0 at the start) over bytes.
[[nodiscard]] std::uint32_t crc32(std::uint32_t before, ByteView bytes);

// crc32_join gives the checksum of first followed by second, of which only the checksums are known,
// and second's size in bytes.
[[nodiscard]] std::uint32_t crc32_join(std::uint32_t first, std::uint32_t second,
                                       std::uint64_t second_size);

}  // namespace casemate::eif
