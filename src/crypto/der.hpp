// DER (ITU-T X.690), as far as certificates and keys need it: OpenSSL also decodes the laxer BER,
// in which one certificate has many encodings.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"

namespace casemate::crypto::der {

// Tags of universal types (X.680 8.6), as they are encoded.
inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kObjectIdentifier = 0x06;
inline constexpr std::uint8_t kEnumerated = 0x0a;
inline constexpr std::uint8_t kUtcTime = 0x17;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;

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

// Row reads one element after another, of which some may be left out.
class Row {
public:
    explicit Row(ByteView content) : reader_(content) {}

    [[nodiscard]] bool empty() const { return reader_.empty(); }
    // next reads the next element, next_if only when it has that tag; nothing where there is none.
    [[nodiscard]] std::optional<Element> next() { return read_element(reader_); }
    [[nodiscard]] std::optional<Element> next_if(std::uint8_t tag);

private:
    ByteReader reader_;
};

// is_der tells whether the bytes are exactly one element, encoded by DER through all its depth.
// What depends on the type is not seen here: default values and trailing zero bits of named bits.
[[nodiscard]] bool is_der(ByteView bytes);

}  // namespace casemate::crypto::der
