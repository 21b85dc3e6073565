#include "codec/cbor/cbor.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "codec/utf8.hpp"

namespace casemate::cbor {

namespace {

// Major types (RFC 8949 3.1).
enum class Major : std::uint8_t {
    unsigned_integer = 0,
    negative_integer = 1,
    bytes = 2,
    text = 3,
    array = 4,
    map = 5,
    tag = 6,
    simple = 7,
};

constexpr std::uint8_t kOneByteFollows = 24;
constexpr std::uint8_t kEightBytesFollow = 27;
constexpr std::uint8_t kIndefinite = 31;
constexpr std::uint64_t kFalse = 20;
constexpr std::uint64_t kTrue = 21;
constexpr std::uint64_t kNull = 22;

// The least value that needs 1, 2, 4, 8 bytes behind the first.
constexpr std::uint64_t kLeastOf[] = {24, 0x100, 0x1'0000, 0x1'0000'0000};

struct RawHead {
    Major major = Major::unsigned_integer;
    std::uint8_t information = 0;
    std::uint64_t value = 0;
};

// Reads the value behind the first byte: false when the input ends.
bool read_argument(ByteReader& input, std::uint8_t information, std::uint64_t& value) {
    if (information < kOneByteFollows) {
        value = information;
        return true;
    }
    ByteView raw;
    if (!input.read_bytes(std::size_t{1} << (information - kOneByteFollows), raw)) {
        return false;
    }
    value = 0;
    for (const std::uint8_t byte : raw) {
        value = (value << 8U) | byte;
    }
    return true;
}

// read_valid_head reads a head of input that was checked before.
RawHead read_valid_head(ByteReader& input) {
    RawHead head;
    std::uint8_t first = 0;
    if (input.read_u8(first)) {
        head.major = static_cast<Major>(first >> 5U);
        head.information = first & 0x1fU;
        static_cast<void>(read_argument(input, head.information, head.value));
    }
    return head;
}

Kind kind_of(const RawHead& head) {
    switch (head.major) {
        case Major::unsigned_integer:
            return Kind::unsigned_integer;
        case Major::negative_integer:
            return Kind::negative_integer;
        case Major::bytes:
            return Kind::bytes;
        case Major::text:
            return Kind::text;
        case Major::array:
            return Kind::array;
        case Major::map:
            return Kind::map;
        case Major::tag:
            return Kind::tag;
        case Major::simple:
            break;
    }
    return head.value == kNull ? Kind::null : Kind::boolean;
}

std::string_view name_of(Kind kind) {
    switch (kind) {
        case Kind::unsigned_integer:
            return "an unsigned integer";
        case Kind::negative_integer:
            return "a negative integer";
        case Kind::bytes:
            return "a byte string";
        case Kind::text:
            return "a text";
        case Kind::array:
            return "an array";
        case Kind::map:
            return "a map";
        case Kind::tag:
            return "a tag";
        case Kind::boolean:
            return "a boolean";
        case Kind::null:
            return "null";
    }
    return "an item";
}

// skip_valid moves over one item of checked input. A loop, since the number of open items is all
// there is to remember: an array or map adds its items to it, a tag adds one.
void skip_valid(ByteReader& input) {
    std::uint64_t open = 1;
    while (open > 0 && !input.empty()) {
        const RawHead head = read_valid_head(input);
        --open;
        switch (head.major) {
            case Major::bytes:
            case Major::text:
                static_cast<void>(input.skip(static_cast<std::size_t>(head.value)));
                break;
            case Major::array:
                open += head.value;
                break;
            case Major::map:
                open += 2 * head.value;
                break;
            case Major::tag:
                ++open;
                break;
            default:
                break;
        }
    }
}

// Checker walks the whole input once and refuses everything outside of the subset.
class Checker {
public:
    Checker(ByteView input, const Options& options)
        : options_(options), size_(input.size()), input_(input) {}

    Result<> check_all() {
        CASEMATE_CHECK(check_item(0));
        if (!input_.empty()) {
            return Error(CborErrc::trailing_bytes,
                         std::to_string(input_.remaining()) + " bytes after the item");
        }
        return {};
    }

private:
    // What identifies a map key: two are the same key when these are equal.
    struct Key {
        Major major;
        std::uint64_t value;
        std::string_view content;

        [[nodiscard]] auto tie() const { return std::tie(major, value, content); }
    };

    Error refuse(CborErrc code, std::string_view what) const {
        return Error(code,
                     std::string(what) + " at byte " + std::to_string(size_ - input_.remaining()));
    }

    Result<RawHead> check_head() {
        RawHead head;
        std::uint8_t first = 0;
        if (!input_.read_u8(first)) {
            return refuse(CborErrc::truncated, "expected an item");
        }
        head.major = static_cast<Major>(first >> 5U);
        head.information = first & 0x1fU;
        if (head.information > kEightBytesFollow) {
            return refuse_head(head);
        }
        if (!read_argument(input_, head.information, head.value)) {
            return refuse(CborErrc::truncated, "expected the rest of a head");
        }
        if (head.major == Major::simple) {
            return check_simple(head);
        }
        const bool integer =
            head.major == Major::unsigned_integer || head.major == Major::negative_integer;
        const bool shortest = head.information < kOneByteFollows ||
                              head.value >= kLeastOf[head.information - kOneByteFollows];
        if (!shortest && !(integer && options_.any_integer_width)) {
            return refuse(CborErrc::not_shortest, "expected a shorter head before");
        }
        return head;
    }

    Error refuse_head(const RawHead& head) const {
        if (head.information != kIndefinite) {
            return refuse(CborErrc::reserved_head, "reserved additional information before");
        }
        switch (head.major) {
            case Major::bytes:
            case Major::text:
            case Major::array:
            case Major::map:
                return refuse(CborErrc::indefinite_length, "expected a definite length before");
            case Major::simple:
                return refuse(CborErrc::stray_break, "unexpected break before");
            default:
                return refuse(CborErrc::reserved_head, "reserved additional information before");
        }
    }

    Result<RawHead> check_simple(const RawHead& head) const {
        if (head.information > kOneByteFollows) {
            return refuse(CborErrc::floating_point, "unexpected floating point before");
        }
        if (head.information == kOneByteFollows || head.value < kFalse || head.value > kNull) {
            return refuse(CborErrc::unknown_simple, "unexpected simple value before");
        }
        return head;
    }

    // check_item checks one item and gives what would identify it as a key.
    Result<Key> check_item(unsigned depth) {
        CASEMATE_TRY(const RawHead head, check_head());
        Key key{head.major, head.value, {}};
        switch (head.major) {
            case Major::bytes:
            case Major::text:
                CASEMATE_CHECK(check_string(head, key));
                break;
            case Major::array:
                CASEMATE_CHECK(check_inside(depth, head.value));
                for (std::uint64_t i = 0; i < head.value; ++i) {
                    CASEMATE_CHECK(check_item(depth + 1));
                }
                break;
            case Major::map:
                CASEMATE_CHECK(check_map(depth, head.value));
                break;
            case Major::tag:
                CASEMATE_CHECK(check_inside(depth, 1));
                CASEMATE_CHECK(check_item(depth + 1));
                break;
            default:
                break;
        }
        return key;
    }

    Result<> check_string(const RawHead& head, Key& key) {
        ByteView content;
        if (head.value > input_.remaining() ||
            !input_.read_bytes(static_cast<std::size_t>(head.value), content)) {
            return refuse(CborErrc::truncated, "a string of " + std::to_string(head.value) +
                                                   " bytes in " +
                                                   std::to_string(input_.remaining()));
        }
        if (head.major == Major::text && !is_utf8(content)) {
            return refuse(CborErrc::not_utf8, "expected UTF-8 before");
        }
        key.content = as_text(content);
        return {};
    }

    // Every item takes a byte at least, so a count above the bytes left is refused before anything
    // is done for it.
    Result<> check_inside(unsigned depth, std::uint64_t count) const {
        if (depth >= options_.max_depth) {
            return refuse(CborErrc::too_deep,
                          "more than " + std::to_string(options_.max_depth) + " levels");
        }
        if (count > input_.remaining()) {
            return refuse(CborErrc::truncated, std::to_string(count) + " items in " +
                                                   std::to_string(input_.remaining()) + " bytes");
        }
        return {};
    }

    Result<> check_map(unsigned depth, std::uint64_t count) {
        const auto items = checked_multiply<std::uint64_t>(count, 2);
        CASEMATE_CHECK(
            check_inside(depth, items.value_or(std::numeric_limits<std::uint64_t>::max())));
        std::vector<Key> keys;
        keys.reserve(static_cast<std::size_t>(count));
        for (std::uint64_t i = 0; i < count; ++i) {
            CASEMATE_TRY(const Key key, check_item(depth + 1));
            if (key.major > Major::text) {
                return refuse(CborErrc::unsupported_key,
                              "expected an integer, a text or a byte string as key before");
            }
            keys.push_back(key);
            CASEMATE_CHECK(check_item(depth + 1));
        }
        std::sort(keys.begin(), keys.end(),
                  [](const Key& a, const Key& b) { return a.tie() < b.tie(); });
        const auto same =
            std::adjacent_find(keys.begin(), keys.end(),
                               [](const Key& a, const Key& b) { return a.tie() == b.tie(); });
        if (same != keys.end()) {
            return refuse(CborErrc::duplicate_key, "a key twice in the map that ends");
        }
        return {};
    }

    const Options& options_;
    std::size_t size_;
    ByteReader input_;
};

}  // namespace

std::string_view describe(CborErrc code) {
    switch (code) {
        case CborErrc::truncated:
            return "CBOR ends early";
        case CborErrc::trailing_bytes:
            return "bytes after the CBOR item";
        case CborErrc::not_shortest:
            return "CBOR head not in its shortest form";
        case CborErrc::reserved_head:
            return "reserved CBOR head";
        case CborErrc::indefinite_length:
            return "CBOR of indefinite length";
        case CborErrc::stray_break:
            return "CBOR break out of place";
        case CborErrc::floating_point:
            return "CBOR floating point";
        case CborErrc::unknown_simple:
            return "unknown CBOR simple value";
        case CborErrc::not_utf8:
            return "CBOR text is not UTF-8";
        case CborErrc::duplicate_key:
            return "CBOR map key twice";
        case CborErrc::unsupported_key:
            return "CBOR map key of an unsupported type";
        case CborErrc::too_deep:
            return "CBOR nested too deeply";
        case CborErrc::wrong_type:
            return "CBOR item of the wrong type";
        case CborErrc::out_of_range:
            return "CBOR integer out of range";
        case CborErrc::wrong_count:
            return "wrong number of CBOR items";
    }
    return "unknown CBOR error";
}

struct Reader::Head {
    Kind kind;
    std::uint64_t value;
};

Result<Reader> Reader::open(ByteView input, const Options& options) {
    CASEMATE_CHECK(Checker(input, options).check_all());
    return Reader(input, 1);
}

std::optional<Kind> Reader::peek() const {
    if (remaining_ == 0) {
        return std::nullopt;
    }
    ByteReader ahead = rest_;
    return kind_of(read_valid_head(ahead));
}

Result<Reader::Head> Reader::next(std::string_view wanted, bool (*fits)(const Head&)) {
    if (remaining_ == 0) {
        return Error(CborErrc::wrong_count, "expected " + std::string(wanted) + ", found the end");
    }
    ByteReader ahead = rest_;
    const RawHead raw = read_valid_head(ahead);
    const Head head{kind_of(raw), raw.value};
    if (!fits(head)) {
        return Error(CborErrc::wrong_type, "expected " + std::string(wanted) + ", found " +
                                               std::string(name_of(head.kind)));
    }
    rest_ = ahead;
    --remaining_;
    return head;
}

Result<std::uint64_t> Reader::read_uint() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::unsigned_integer), [](const Head& found) {
                     return found.kind == Kind::unsigned_integer;
                 }));
    return head.value;
}

Result<std::uint64_t> Reader::read_uint_up_to(std::uint64_t most) {
    CASEMATE_TRY(const std::uint64_t value, read_uint());
    if (value > most) {
        return Error(CborErrc::out_of_range, "expected at most " + std::to_string(most) +
                                                 ", found " + std::to_string(value));
    }
    return value;
}

Result<std::int64_t> Reader::read_int() {
    CASEMATE_TRY(const Head head, next("an integer", [](const Head& found) {
                     return found.kind == Kind::unsigned_integer ||
                            found.kind == Kind::negative_integer;
                 }));
    if (head.value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return Error(CborErrc::out_of_range, "expected an integer of 64 bits with its sign");
    }
    const auto value = static_cast<std::int64_t>(head.value);
    return head.kind == Kind::unsigned_integer ? value : -1 - value;
}

Result<ByteView> Reader::read_bytes() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::bytes), [](const Head& found) {
                     return found.kind == Kind::bytes;
                 }));
    ByteView content;
    static_cast<void>(rest_.read_bytes(static_cast<std::size_t>(head.value), content));
    return content;
}

Result<std::string_view> Reader::read_text() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::text),
                                       [](const Head& found) { return found.kind == Kind::text; }));
    ByteView content;
    static_cast<void>(rest_.read_bytes(static_cast<std::size_t>(head.value), content));
    return as_text(content);
}

Result<bool> Reader::read_bool() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::boolean), [](const Head& found) {
                     return found.kind == Kind::boolean;
                 }));
    return head.value == kTrue;
}

Result<> Reader::read_null() {
    CASEMATE_CHECK(
        next(name_of(Kind::null), [](const Head& found) { return found.kind == Kind::null; }));
    return {};
}

Result<std::uint64_t> Reader::read_tag() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::tag),
                                       [](const Head& found) { return found.kind == Kind::tag; }));
    ++remaining_;
    return head.value;
}

Reader Reader::inside(std::uint64_t count) {
    ByteReader ahead = rest_;
    for (std::uint64_t i = 0; i < count; ++i) {
        skip_valid(ahead);
    }
    const ByteView content = rest_.rest().first(rest_.remaining() - ahead.remaining());
    rest_ = ahead;
    return Reader(content, count);
}

Result<Reader> Reader::read_array() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::array), [](const Head& found) {
                     return found.kind == Kind::array;
                 }));
    return inside(head.value);
}

Result<Map> Reader::read_map() {
    CASEMATE_TRY(const Head head, next(name_of(Kind::map),
                                       [](const Head& found) { return found.kind == Kind::map; }));
    return Map(inside(2 * head.value));
}

Result<ByteView> Reader::read_encoded() {
    if (remaining_ == 0) {
        return Error(CborErrc::wrong_count, "expected an item, found the end");
    }
    ByteReader ahead = rest_;
    skip_valid(ahead);
    const ByteView item = rest_.rest().first(rest_.remaining() - ahead.remaining());
    rest_ = ahead;
    --remaining_;
    return item;
}

Result<> Reader::finish() const {
    if (remaining_ != 0) {
        return Error(CborErrc::wrong_count,
                     "expected the end, found " + std::to_string(remaining_) + " more items");
    }
    return {};
}

std::optional<Reader> Map::find(std::string_view key) const {
    Reader pairs = pairs_;
    while (pairs.remaining() > 0) {
        Reader key_reader = pairs;
        static_cast<void>(pairs.read_encoded());
        const auto value = pairs.read_encoded();
        const auto found = key_reader.read_text();
        if (found && *found == key && value) {
            return Reader(*value, 1);
        }
    }
    return std::nullopt;
}

std::optional<Reader> Map::find(std::int64_t key) const {
    Reader pairs = pairs_;
    while (pairs.remaining() > 0) {
        Reader key_reader = pairs;
        static_cast<void>(pairs.read_encoded());
        const auto value = pairs.read_encoded();
        const auto found = key_reader.read_int();
        if (found && *found == key && value) {
            return Reader(*value, 1);
        }
    }
    return std::nullopt;
}

Result<Reader> Map::get(std::string_view key) const {
    auto found = find(key);
    if (!found) {
        return Error(CborErrc::wrong_count, "expected the key \"" + std::string(key) + "\"");
    }
    return *found;
}

void Writer::put_head(std::uint8_t major, std::uint64_t value) {
    const auto type = static_cast<std::uint8_t>(major << 5U);
    if (value < kLeastOf[0]) {
        out_.put_u8(static_cast<std::uint8_t>(type | value));
    } else if (value < kLeastOf[1]) {
        out_.put_u8(type | 24U);
        out_.put_be(static_cast<std::uint8_t>(value));
    } else if (value < kLeastOf[2]) {
        out_.put_u8(type | 25U);
        out_.put_be(static_cast<std::uint16_t>(value));
    } else if (value < kLeastOf[3]) {
        out_.put_u8(type | 26U);
        out_.put_be(static_cast<std::uint32_t>(value));
    } else {
        out_.put_u8(type | 27U);
        out_.put_be(value);
    }
}

void Writer::put_int(std::int64_t value) {
    if (value >= 0) {
        put_head(0, static_cast<std::uint64_t>(value));
    } else {
        put_head(1, static_cast<std::uint64_t>(-1 - value));
    }
}

void Writer::put_bytes(ByteView bytes) {
    put_head(2, bytes.size());
    out_.put_bytes(bytes);
}

void Writer::put_text(std::string_view text) {
    put_head(3, text.size());
    out_.put_bytes(as_bytes(text));
}

}  // namespace casemate::cbor
