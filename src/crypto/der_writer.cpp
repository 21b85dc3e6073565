#include "crypto/der_writer.hpp"

#include <array>

namespace casemate::crypto::der {

void append_element(Bytes& out, std::uint8_t tag, ByteView content) {
    constexpr std::uint8_t kLong = 0x80;
    ByteWriter writer(out);
    writer.put_u8(tag);
    if (content.size() < kLong) {
        writer.put_u8(static_cast<std::uint8_t>(content.size()));
    } else {
        std::array<std::uint8_t, sizeof(std::size_t)> length{};
        std::size_t first = length.size();
        for (std::size_t rest = content.size(); rest != 0; rest >>= 8U) {
            length[--first] = static_cast<std::uint8_t>(rest);
        }
        writer.put_u8(static_cast<std::uint8_t>(kLong + length.size() - first));
        writer.put_bytes(ByteView(length).subspan(first));
    }
    writer.put_bytes(content);
}

}  // namespace casemate::crypto::der
