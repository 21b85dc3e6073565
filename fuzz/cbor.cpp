// What the strict reader accepts is written again as the very same bytes. What the reader accepts
// with wide integers is written as something the strict reader accepts, with the same items.
#include "codec/cbor/cbor.hpp"

#include <cstdlib>

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::cbor::Kind;
using casemate::cbor::Reader;
using casemate::cbor::Writer;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// rewrite reads every item by its own function; false when an integer is below int64_t.
bool rewrite(Reader reader, Writer& writer) {
    bool whole = true;
    while (const auto kind = reader.peek()) {
        if (*kind == Kind::unsigned_integer) {
            writer.put_uint(reader.read_uint().value());
        } else if (*kind == Kind::negative_integer) {
            const auto value = reader.read_int();
            whole = whole && value.ok();
            writer.put_int(value ? *value : -1);
        } else if (*kind == Kind::bytes) {
            writer.put_bytes(reader.read_bytes().value());
        } else if (*kind == Kind::text) {
            writer.put_text(reader.read_text().value());
        } else if (*kind == Kind::array) {
            const Reader inner = reader.read_array().value();
            writer.begin_array(inner.remaining());
            whole = rewrite(inner, writer) && whole;
        } else if (*kind == Kind::map) {
            const auto inner = reader.read_map().value();
            writer.begin_map(inner.size());
            whole = rewrite(inner.pairs(), writer) && whole;
        } else if (*kind == Kind::tag) {
            writer.put_tag(reader.read_tag().value());
        } else if (*kind == Kind::boolean) {
            writer.put_bool(reader.read_bool().value());
        } else {
            require(reader.read_null().ok());
            writer.put_null();
        }
    }
    require(reader.finish().ok());
    return whole;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto strict = Reader::open(input);
    if (strict) {
        Bytes again;
        Writer writer(again);
        if (rewrite(*strict, writer)) {
            require(again == Bytes(input.begin(), input.end()));
        }
    }
    const auto wide = Reader::open(input, {.any_integer_width = true});
    require(wide.ok() || !strict.ok());
    if (wide) {
        Bytes shortest;
        Writer writer(shortest);
        if (rewrite(*wide, writer)) {
            require(Reader::open(shortest).ok());
            require(shortest.size() <= size);
        }
    }
    return 0;
}
