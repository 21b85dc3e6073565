// CBOR (RFC 8949): the subset that the security module's messages, COSE and attestation documents
// use, read strictly and written in the one shortest way.
//
// Items are unsigned and negative integers, byte strings, text, arrays, maps, tags, false, true and
// null. Everything else is refused with its own error: floating point, other simple values,
// indefinite lengths, heads longer than needed, text that is not UTF-8, a map key twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::cbor {

enum class CborErrc {
    // The input ends inside an item, or an item claims more than is left.
    truncated,
    // Bytes follow the item.
    trailing_bytes,
    // A head is longer than its value needs (RFC 8949 4.2.1).
    not_shortest,
    // Additional information 28 to 30, or 31 where it means nothing (RFC 8949 3).
    reserved_head,
    indefinite_length,
    // A "break" without anything to break (RFC 8949 3.2.1).
    stray_break,
    floating_point,
    // A simple value other than false, true and null.
    unknown_simple,
    not_utf8,
    duplicate_key,
    // A map key that is neither an integer, nor text, nor a byte string.
    unsupported_key,
    too_deep,
    // --- a well-formed item that is not what the caller reads ---
    wrong_type,
    out_of_range,
    // No item left to read, or some left that nobody read.
    wrong_count,
};

[[nodiscard]] std::string_view describe(CborErrc code);

enum class Kind : std::uint8_t {
    unsigned_integer,
    negative_integer,
    bytes,
    text,
    array,
    map,
    tag,
    boolean,
    null,
};

// Options of reading.
struct Options {
    // any_integer_width accepts integers encoded wider than needed, which some clients of the
    // security module send. Lengths and counts stay strict.
    bool any_integer_width = false;
    // max_depth: arrays, maps and tags inside each other; 1 is a single flat container.
    unsigned max_depth = 16;
};

class Map;

// Reader pulls items from a sequence, forward only. It views the input, which must outlive it.
// A reader exists only over input that was checked whole, so its errors are the last group of
// CborErrc alone.
class Reader {
public:
    // open checks that the input is exactly one item, with all that it contains.
    [[nodiscard]] static Result<Reader> open(ByteView input, const Options& options = {});

    // remaining is how many items of this sequence were not read yet.
    [[nodiscard]] std::uint64_t remaining() const { return remaining_; }
    // peek tells what the next item is; nothing at the end.
    [[nodiscard]] std::optional<Kind> peek() const;

    [[nodiscard]] Result<std::uint64_t> read_uint();
    // read_uint_up_to is read_uint with out_of_range above most.
    [[nodiscard]] Result<std::uint64_t> read_uint_up_to(std::uint64_t most);
    // read_int reads an integer of either sign; out_of_range outside of int64_t.
    [[nodiscard]] Result<std::int64_t> read_int();
    [[nodiscard]] Result<ByteView> read_bytes();
    [[nodiscard]] Result<std::string_view> read_text();
    [[nodiscard]] Result<bool> read_bool();
    [[nodiscard]] Result<> read_null();
    // read_tag reads a tag's number; the item it is about comes next.
    [[nodiscard]] Result<std::uint64_t> read_tag();
    // read_array and read_map give what is inside, to be read on its own; this reader goes on
    // behind it.
    [[nodiscard]] Result<Reader> read_array();
    [[nodiscard]] Result<Map> read_map();
    // read_encoded gives the next item as its bytes.
    [[nodiscard]] Result<ByteView> read_encoded();

    // finish succeeds when every item was read.
    [[nodiscard]] Result<> finish() const;

private:
    friend class Map;
    Reader(ByteView content, std::uint64_t count) : rest_(content), remaining_(count) {}

    struct Head;
    [[nodiscard]] Result<Head> next(std::string_view wanted, bool (*fits)(const Head&));
    [[nodiscard]] Reader inside(std::uint64_t count);

    ByteReader rest_;
    std::uint64_t remaining_ = 0;
};

// Map: the pairs of a map in the order they came. No key comes twice.
class Map {
public:
    // size is the number of pairs.
    [[nodiscard]] std::uint64_t size() const { return pairs_.remaining() / 2; }
    // find gives a reader of the one value under a key; nothing when there is no such key.
    [[nodiscard]] std::optional<Reader> find(std::string_view key) const;
    [[nodiscard]] std::optional<Reader> find(std::int64_t key) const;
    // get is find with wrong_count when there is no such key.
    [[nodiscard]] Result<Reader> get(std::string_view key) const;
    // pairs reads key, value, key, value, …
    [[nodiscard]] Reader pairs() const { return pairs_; }

private:
    friend class Reader;
    explicit Map(Reader pairs) : pairs_(pairs) {}

    Reader pairs_;
};

// Writer appends items in their shortest encoding to bytes that the caller owns. Maps are written
// in the order of the calls, since the formats of the project fix their own orders; array and map
// take the count of the items or pairs that follow.
class Writer {
public:
    explicit Writer(Bytes& out) : out_(out) {}

    void put_uint(std::uint64_t value) { put_head(0, value); }
    void put_int(std::int64_t value);
    void put_bytes(ByteView bytes);
    void put_text(std::string_view text);
    void put_bool(bool value) { out_.put_u8(value ? 0xf5 : 0xf4); }
    void put_null() { out_.put_u8(0xf6); }
    void begin_array(std::uint64_t count) { put_head(4, count); }
    void begin_map(std::uint64_t pairs) { put_head(5, pairs); }
    void put_tag(std::uint64_t number) { put_head(6, number); }

private:
    void put_head(std::uint8_t major, std::uint64_t value);

    ByteWriter out_;
};

}  // namespace casemate::cbor
