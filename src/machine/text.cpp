#include "machine/text.hpp"

#include <algorithm>
#include <bit>

namespace casemate::machine {

std::string hex(std::uint64_t value) {
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    return "0x" + hex_padded(value, std::max(1U, (bits + 3) / 4));
}

std::string hex_padded(std::uint64_t value, unsigned digits) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text(digits, '0');
    for (unsigned i = 0; i < digits; ++i) {
        text[digits - 1 - i] = kDigits[(value >> (4 * i)) & 0xfU];
    }
    return text;
}

}  // namespace casemate::machine
