// DER (ITU-T X.690), as far as certificates and keys need it: OpenSSL also decodes the laxer BER,
// in which one certificate has many encodings.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace casemate::crypto::der {

inline constexpr std::uint8_t kSequence = 0x30;

// Element: one tag with its content. It views the bytes it was read from.
struct Element {
    std::uint8_t tag = 0;
    ByteView content;
    // whole is the element with its tag and length.
    ByteView whole;
};

// read_element reads one element; nothing for a tag number above 30, an indefinite length, a length
// that is not in its shortest form, and an element that ends after the input.
[[nodiscard]] std::optional<Element> read_element(ByteReader& reader);

// is_der tells whether the bytes are exactly one element, encoded by DER through all its depth.
// What depends on the type is not seen here: default values and trailing zero bits of named bits.
[[nodiscard]] bool is_der(ByteView bytes);

}  // namespace casemate::crypto::der
