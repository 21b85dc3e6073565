#include "codec/base64.hpp"

#include <array>

namespace casemate::codec {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;
constexpr char kPad = '=';

constexpr std::array<std::uint8_t, 256> kValues = [] {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNone);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
        values.at(static_cast<std::uint8_t>(kAlphabet[i])) = static_cast<std::uint8_t>(i);
    }
    return values;
}();

char digit(std::uint32_t group, unsigned shift) {
    return kAlphabet[(group >> shift) & 0x3fU];
}

}  // namespace

std::string encode_base64(ByteView bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = bytes.size() - i;
        const std::uint32_t group =
            static_cast<std::uint32_t>(bytes[i]) << 16U |
            (left > 1 ? static_cast<std::uint32_t>(bytes[i + 1]) << 8U : 0) |
            (left > 2 ? bytes[i + 2] : 0U);
        text += digit(group, 18);
        text += digit(group, 12);
        text += left > 1 ? digit(group, 6) : kPad;
        text += left > 2 ? digit(group, 0) : kPad;
    }
    return text;
}

std::optional<Bytes> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::size_t digits = text.size();
    while (digits > 0 && text.size() - digits < 2 && text[digits - 1] == kPad) {
        --digits;
    }
    Bytes bytes;
    bytes.reserve(digits * 3 / 4);
    std::uint32_t pending = 0;
    unsigned bits = 0;
    for (const char character : text.substr(0, digits)) {
        const std::uint8_t value = kValues.at(static_cast<std::uint8_t>(character));
        if (value == kNone) {
            return std::nullopt;
        }
        pending = pending << 6U | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes.push_back(static_cast<std::uint8_t>(pending >> bits));
            pending &= (1U << bits) - 1;
        }
    }
    return pending == 0 ? std::optional<Bytes>(std::move(bytes)) : std::nullopt;
}

}  // namespace casemate::codec
