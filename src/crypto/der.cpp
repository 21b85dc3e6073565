#include "crypto/der.hpp"

#include <algorithm>

namespace casemate::crypto::der {

namespace {

// Tags: class in the two highest bits, then whether the content is made of elements, then a number.
constexpr std::uint8_t kClassMask = 0xc0;
constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kNumberMask = 0x1f;
constexpr std::uint8_t kSequenceNumber = kSequence & kNumberMask;
constexpr std::uint8_t kSetNumber = kSet & kNumberMask;

constexpr std::uint8_t kLongLength = 0x80;
constexpr unsigned kByteBits = 8;
// Certificates nest nine deep.
constexpr unsigned kMaxDepth = 32;

bool is_shortest_integer(ByteView content) {
    if (content.size() < 2) {
        return !content.empty();
    }
    const bool second_negative = (content[1] & 0x80U) != 0;
    return !(content[0] == 0x00 && !second_negative) && !(content[0] == 0xff && second_negative);
}

bool is_bit_string(ByteView content) {
    if (content.empty() || content[0] >= kByteBits || (content.size() == 1 && content[0] != 0)) {
        return false;
    }
    const unsigned unused = (1U << content[0]) - 1U;
    return (content.back() & unused) == 0 || content.size() == 1;
}

// Each arc is a number of seven bits a byte, the highest bit set in all but its last byte.
bool is_object_identifier(ByteView content) {
    bool at_start = true;
    for (const std::uint8_t byte : content) {
        if (at_start && byte == 0x80) {
            return false;
        }
        at_start = (byte & 0x80U) == 0;
    }
    return !content.empty() && at_start;
}

// A primitive universal type's tag is its number.
bool is_primitive_der(std::uint8_t tag, ByteView content) {
    switch (tag) {
        case kBoolean:
            return content.size() == 1 && (content[0] == 0x00 || content[0] == 0xff);
        case kInteger:
        case kEnumerated:
            return is_shortest_integer(content);
        case kBitString:
            return is_bit_string(content);
        case kNull:
            return content.empty();
        case kObjectIdentifier:
            return is_object_identifier(content);
        default:
            return true;
    }
}

bool are_der(ByteView bytes, bool sorted, unsigned depth);

bool is_element_der(const Element& element, unsigned depth) {
    const bool constructed = (element.tag & kConstructed) != 0;
    const std::uint8_t number = element.tag & kNumberMask;
    const bool universal = (element.tag & kClassMask) == 0;
    if (universal && constructed != (number == kSequenceNumber || number == kSetNumber)) {
        return false;
    }
    if (constructed) {
        return depth < kMaxDepth &&
               are_der(element.content, universal && number == kSetNumber, depth + 1);
    }
    return !universal || is_primitive_der(element.tag, element.content);
}

// are_der looks at a row of elements; those of a set come in ascending order.
bool are_der(ByteView bytes, bool sorted, unsigned depth) {
    ByteReader reader(bytes);
    ByteView previous;
    while (!reader.empty()) {
        const auto element = read_element(reader);
        if (!element || !is_element_der(*element, depth)) {
            return false;
        }
        if (sorted && std::ranges::lexicographical_compare(element->whole, previous)) {
            return false;
        }
        previous = element->whole;
    }
    return true;
}

// The length's further bytes, big-endian.
bool read_long_length(ByteReader& reader, std::size_t bytes, std::size_t& out) {
    ByteView raw;
    if (bytes == 0 || bytes > sizeof(std::uint32_t) || !reader.read_bytes(bytes, raw) ||
        raw[0] == 0) {
        return false;
    }
    out = 0;
    for (const std::uint8_t byte : raw) {
        out = (out << kByteBits) | byte;
    }
    return out >= kLongLength;
}

}  // namespace

std::optional<Element> read_element(ByteReader& reader) {
    const ByteView start = reader.rest();
    Element element;
    std::uint8_t first = 0;
    if (!reader.read_u8(element.tag) || (element.tag & kNumberMask) == kNumberMask ||
        !reader.read_u8(first)) {
        return std::nullopt;
    }
    std::size_t size = first;
    if ((first & kLongLength) != 0 &&
        !read_long_length(reader, first - std::size_t{kLongLength}, size)) {
        return std::nullopt;
    }
    if (!reader.read_bytes(size, element.content)) {
        return std::nullopt;
    }
    element.whole = start.first(start.size() - reader.remaining());
    return element;
}

std::optional<Element> Row::next_if(std::uint8_t tag) {
    const ByteView rest = reader_.rest();
    return !rest.empty() && rest.front() == tag ? next() : std::nullopt;
}

bool is_der(ByteView bytes) {
    ByteReader reader(bytes);
    const auto element = read_element(reader);
    return element && reader.empty() && is_element_der(*element, 0);
}

}  // namespace casemate::crypto::der
