#include "codec/utf8.hpp"

#include <cstring>

namespace casemate {

namespace {

// What may follow a leading byte: how many bytes, and the range of the first of them (RFC 3629 4).
struct Sequence {
    std::uint8_t following;
    std::uint8_t lowest;
    std::uint8_t highest;
};

bool sequence_of(std::uint8_t lead, Sequence& out) {
    if (lead >= 0xc2 && lead <= 0xdf) {
        out = {1, 0x80, 0xbf};
    } else if (lead == 0xe0) {
        out = {2, 0xa0, 0xbf};
    } else if (lead == 0xed) {
        out = {2, 0x80, 0x9f};
    } else if (lead >= 0xe1 && lead <= 0xef) {
        out = {2, 0x80, 0xbf};
    } else if (lead == 0xf0) {
        out = {3, 0x90, 0xbf};
    } else if (lead >= 0xf1 && lead <= 0xf3) {
        out = {3, 0x80, 0xbf};
    } else if (lead == 0xf4) {
        out = {3, 0x80, 0x8f};
    } else {
        return false;
    }
    return true;
}

// ascii_words gives how many bytes at the beginning are ASCII, looked at eight at a time: most
// texts are nothing else.
std::size_t ascii_words(ByteView bytes) {
    constexpr std::uint64_t kHighBits = 0x8080808080808080U;
    std::size_t done = 0;
    std::uint64_t word = 0;
    while (bytes.size() - done >= sizeof word) {
        std::memcpy(&word, bytes.data() + done, sizeof word);
        if ((word & kHighBits) != 0) {
            break;
        }
        done += sizeof word;
    }
    return done;
}

}  // namespace

bool is_utf8(ByteView bytes) {
    ByteReader reader(bytes.subspan(ascii_words(bytes)));
    std::uint8_t lead = 0;
    while (reader.read_u8(lead)) {
        if (lead < 0x80) {
            continue;
        }
        Sequence sequence{};
        if (!sequence_of(lead, sequence)) {
            return false;
        }
        for (unsigned i = 0; i < sequence.following; ++i) {
            std::uint8_t byte = 0;
            const std::uint8_t lowest = i == 0 ? sequence.lowest : 0x80;
            const std::uint8_t highest = i == 0 ? sequence.highest : 0xbf;
            if (!reader.read_u8(byte) || byte < lowest || byte > highest) {
                return false;
            }
        }
    }
    return true;
}

}  // namespace casemate
