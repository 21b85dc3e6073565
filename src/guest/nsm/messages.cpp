#include "guest/nsm/messages.hpp"

#include <algorithm>
#include <cstring>

namespace casemate::libnsm {

namespace {

// A response is a map in a map; what later versions may add inside is passed over this deep.
constexpr unsigned kMaxDepth = 4;

constexpr std::array<std::string_view, 8> kErrors{
    "InvalidArgument",  "InvalidIndex",   "InvalidResponse", "ReadOnlyIndex",
    "InvalidOperation", "BufferTooSmall", "InputTooLarge",   "InternalError"};

constexpr std::array<std::string_view, 3> kDigests{"SHA256", "SHA384", "SHA512"};

// read_error reads what stands under "Error". That nothing went wrong is not an error's answer.
ErrorCode read_error(ResponseReader& reader) {
    std::string_view name;
    if (reader.read_text(name) && reader.at_end()) {
        for (std::size_t i = 0; i < kErrors.size(); ++i) {
            if (kErrors[i] == name) {
                return static_cast<ErrorCode>(i + 1);
            }
        }
    }
    return ERROR_CODE_INTERNAL_ERROR;
}

// read_fields reads {name: {…}}. on_field(key, reader, place) reads the value of a key that it
// knows and tells its place among those, or passes over it; each of the first `wanted` places must
// come exactly once.
template <class OnField>
ErrorCode read_fields(ByteView response, std::string_view name, unsigned wanted,
                      const OnField& on_field) {
    ResponseReader reader(response);
    if (reader.at_text()) {
        return ERROR_CODE_INVALID_RESPONSE;
    }
    std::uint64_t pairs = 0;
    std::string_view found;
    if (!reader.read_map(pairs) || pairs != 1 || !reader.read_text(found)) {
        return ERROR_CODE_INTERNAL_ERROR;
    }
    if (found == "Error") {
        return read_error(reader);
    }
    if (found != name) {
        return ERROR_CODE_INVALID_RESPONSE;
    }
    if (!reader.read_map(pairs)) {
        return ERROR_CODE_INTERNAL_ERROR;
    }
    unsigned seen = 0;
    for (; pairs > 0; --pairs) {
        std::string_view key;
        unsigned place = wanted;
        if (!reader.read_text(key) || !on_field(key, reader, place)) {
            return ERROR_CODE_INTERNAL_ERROR;
        }
        const unsigned bit = place < wanted ? 1U << place : 0;
        if ((seen & bit) != 0) {
            return ERROR_CODE_INTERNAL_ERROR;
        }
        seen |= bit;
    }
    return seen == (1U << wanted) - 1 && reader.at_end() ? ERROR_CODE_SUCCESS
                                                         : ERROR_CODE_INTERNAL_ERROR;
}

bool read_u16(ResponseReader& reader, std::uint16_t& out) {
    std::uint64_t value = 0;
    if (!reader.read_uint(UINT16_MAX, value)) {
        return false;
    }
    out = static_cast<std::uint16_t>(value);
    return true;
}

bool read_module_id(ResponseReader& reader, NsmDescription& out) {
    std::string_view name;
    if (!reader.read_text(name)) {
        return false;
    }
    const std::size_t size = std::min(name.size(), sizeof(out.module_id) - 1);
    std::memcpy(out.module_id, name.data(), size);
    out.module_id_len = static_cast<std::uint32_t>(size);
    return true;
}

// read_locked_registers reads indexes in any order, each as often as it may come: it is a set.
bool read_locked_registers(ResponseReader& reader, NsmDescription& out) {
    std::uint64_t count = 0;
    if (!reader.read_array(count)) {
        return false;
    }
    std::uint16_t* const begin = out.locked_pcrs;
    std::uint16_t* end = begin;
    for (; count > 0; --count) {
        std::uint16_t index = 0;
        if (!read_u16(reader, index)) {
            return false;
        }
        std::uint16_t* const place = std::lower_bound(begin, end, index);
        if (place != end && *place == index) {
            continue;
        }
        if (end == std::end(out.locked_pcrs)) {
            return false;
        }
        std::copy_backward(place, end, end + 1);
        *place = index;
        ++end;
    }
    out.locked_pcrs_len = static_cast<std::uint32_t>(end - begin);
    return true;
}

bool read_digest(ResponseReader& reader, Digest& out) {
    std::string_view name;
    if (!reader.read_text(name)) {
        return false;
    }
    for (std::size_t i = 0; i < kDigests.size(); ++i) {
        if (kDigests[i] == name) {
            out = static_cast<Digest>(i);
            return true;
        }
    }
    return false;
}

bool read_description_field(std::string_view key, ResponseReader& reader, NsmDescription& out,
                            unsigned& place) {
    constexpr std::array<std::string_view, 7> kKeys{
        "version_major", "version_minor", "version_patch", "module_id",
        "max_pcrs",      "locked_pcrs",   "digest"};
    place = 0;
    while (place < kKeys.size() && kKeys[place] != key) {
        ++place;
    }
    switch (place) {
        case 0:
            return read_u16(reader, out.version_major);
        case 1:
            return read_u16(reader, out.version_minor);
        case 2:
            return read_u16(reader, out.version_patch);
        case 3:
            return read_module_id(reader, out);
        case 4:
            return read_u16(reader, out.max_pcrs);
        case 5:
            return read_locked_registers(reader, out);
        case 6:
            return read_digest(reader, out.digest);
        default:
            return reader.skip(kMaxDepth);
    }
}

}  // namespace

void RequestWriter::put(std::uint8_t byte) {
    append(&byte, 1);
}

void RequestWriter::append(const void* data, std::size_t size) {
    if (!fits_ || size > bytes_.size() - size_) {
        fits_ = false;
        return;
    }
    // memcpy of nothing from nowhere is undefined.
    if (size > 0) {
        std::memcpy(bytes_.data() + size_, data, size);
    }
    size_ += size;
}

void RequestWriter::put_head(unsigned major, std::uint64_t value) {
    if (value < 24) {
        put(static_cast<std::uint8_t>(major << 5U | value));
        return;
    }
    // 24, 25, 26, 27: one, two, four, eight bytes follow.
    unsigned width = 0;
    while (width < 3 && value >> (8U << width) != 0) {
        ++width;
    }
    put(static_cast<std::uint8_t>(major << 5U | (24 + width)));
    for (unsigned shift = 8U << width; shift > 0; shift -= 8) {
        put(static_cast<std::uint8_t>(value >> (shift - 8)));
    }
}

void RequestWriter::put_text(std::string_view text) {
    put_head(3, text.size());
    append(text.data(), text.size());
}

void RequestWriter::put_bytes(ByteView bytes) {
    put_head(2, bytes.size());
    append(bytes.data(), bytes.size());
}

bool ResponseReader::read_head(unsigned major, std::uint64_t& value) {
    std::uint8_t first = 0;
    if (!rest_.read_u8(first) || first >> 5U != major) {
        return false;
    }
    value = first & 0x1fU;
    // Indefinite lengths (31) and what has no meaning yet (28 to 30) are refused.
    if (value < 24 || value > 27) {
        return value < 24;
    }
    ByteView raw;
    if (!rest_.read_bytes(std::size_t{1} << (value - 24), raw)) {
        return false;
    }
    value = 0;
    for (const std::uint8_t byte : raw) {
        value = value << 8U | byte;
    }
    return true;
}

bool ResponseReader::read_uint(std::uint64_t most, std::uint64_t& out) {
    return read_head(0, out) && out <= most;
}

bool ResponseReader::read_bytes(ByteView& out) {
    std::uint64_t size = 0;
    return read_head(2, size) && rest_.read_bytes(size, out);
}

bool ResponseReader::read_text(std::string_view& out) {
    std::uint64_t size = 0;
    ByteView raw;
    if (!read_head(3, size) || !rest_.read_bytes(size, raw)) {
        return false;
    }
    out = {reinterpret_cast<const char*>(raw.data()), raw.size()};
    return true;
}

bool ResponseReader::read_bool(bool& out) {
    std::uint64_t value = 0;
    if (!read_head(7, value) || (value != 20 && value != 21)) {
        return false;
    }
    out = value == 21;
    return true;
}

bool ResponseReader::read_array(std::uint64_t& count) {
    return read_head(4, count);
}

bool ResponseReader::read_map(std::uint64_t& pairs) {
    return read_head(5, pairs);
}

bool ResponseReader::skip(unsigned depth) {
    if (depth == 0 || rest_.empty()) {
        return false;
    }
    const unsigned major = rest_.rest()[0] >> 5U;
    std::uint64_t value = 0;
    if (!read_head(major, value)) {
        return false;
    }
    if (major == 2 || major == 3) {
        return rest_.skip(value);
    }
    if (major < 4 || major == 7) {
        return true;
    }
    // Arrays and maps hold items of a byte or more, so a count that lies ends with the bytes.
    for (; value > 0 && major < 6; --value) {
        if (!skip(depth - 1) || (major == 5 && !skip(depth - 1))) {
            return false;
        }
    }
    // What a tag is about follows it.
    return major < 6 || skip(depth - 1);
}

ErrorCode read_acknowledgement(ByteView response, std::string_view name) {
    ResponseReader reader(response);
    std::string_view found;
    if (reader.at_text()) {
        if (!reader.read_text(found) || !reader.at_end()) {
            return ERROR_CODE_INTERNAL_ERROR;
        }
        return found == name ? ERROR_CODE_SUCCESS : ERROR_CODE_INVALID_RESPONSE;
    }
    std::uint64_t pairs = 0;
    if (!reader.read_map(pairs) || pairs != 1 || !reader.read_text(found)) {
        return ERROR_CODE_INTERNAL_ERROR;
    }
    return found == "Error" ? read_error(reader) : ERROR_CODE_INVALID_RESPONSE;
}

ErrorCode read_data(ByteView response, std::string_view name, std::string_view key,
                    ByteView& data) {
    return read_fields(response, name, 1,
                       [&](std::string_view found, ResponseReader& reader, unsigned& place) {
                           if (found != key) {
                               return reader.skip(kMaxDepth);
                           }
                           place = 0;
                           return reader.read_bytes(data);
                       });
}

ErrorCode read_register(ByteView response, bool& lock, ByteView& data) {
    return read_fields(response, "DescribePCR", 2,
                       [&](std::string_view found, ResponseReader& reader, unsigned& place) {
                           if (found == "lock") {
                               place = 0;
                               return reader.read_bool(lock);
                           }
                           if (found == "data") {
                               place = 1;
                               return reader.read_bytes(data);
                           }
                           return reader.skip(kMaxDepth);
                       });
}

ErrorCode read_description(ByteView response, NsmDescription& out) {
    NsmDescription description{};
    const ErrorCode code =
        read_fields(response, "DescribeNSM", 7,
                    [&](std::string_view key, ResponseReader& reader, unsigned& place) {
                        return read_description_field(key, reader, description, place);
                    });
    if (code == ERROR_CODE_SUCCESS) {
        out = description;
    }
    return code;
}

}  // namespace casemate::libnsm
