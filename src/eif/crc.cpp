#include "eif/crc.hpp"

#include <zlib.h>

namespace casemate::eif {

std::uint32_t crc32(std::uint32_t before, ByteView bytes) {
    // zlib takes a null pointer as a request for the initial value.
    if (bytes.empty()) {
        return before;
    }
    return static_cast<std::uint32_t>(::crc32_z(before, bytes.data(), bytes.size()));
}

std::uint32_t crc32_join(std::uint32_t first, std::uint32_t second, std::uint64_t second_size) {
    return static_cast<std::uint32_t>(
        ::crc32_combine(first, second, static_cast<z_off_t>(second_size)));
}

}  // namespace casemate::eif
