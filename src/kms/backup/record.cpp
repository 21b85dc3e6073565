#include "kms/backup/record.hpp"

#include <string>
#include <utility>

#include "kms/store/columns.hpp"

namespace casemate::kms {

namespace {

enum class Tag : std::uint8_t { null = 0, integer = 1, text = 2, bytes = 3 };

constexpr std::size_t kInteger = 8;
constexpr std::size_t kSize = 4;

Error damaged(std::string detail) {
    return {BackupErrc::damaged, std::move(detail)};
}

ByteView content_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) {
        return as_bytes(*text);
    }
    const auto* bytes = std::get_if<Bytes>(&value);
    return bytes == nullptr ? ByteView() : ByteView(*bytes);
}

std::size_t size_of(const Value& value) {
    if (std::holds_alternative<std::monostate>(value)) {
        return 1;
    }
    return 1 + (std::holds_alternative<std::int64_t>(value) ? kInteger
                                                            : kSize + content_of(value).size());
}

void put_value(ByteWriter& writer, const Value& value) {
    writer.put_u8(static_cast<std::uint8_t>(value.index()));
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        writer.put_be(static_cast<std::uint64_t>(*number));
    } else if (!std::holds_alternative<std::monostate>(value)) {
        const ByteView content = content_of(value);
        writer.put_be(static_cast<std::uint32_t>(content.size()));
        writer.put_bytes(content);
    }
}

bool read_value(ByteReader& reader, Value& out) {
    std::uint8_t tag = 0;
    if (!reader.read_u8(tag)) {
        return false;
    }
    std::uint64_t number = 0;
    std::uint32_t size = 0;
    ByteView content;
    switch (static_cast<Tag>(tag)) {
        case Tag::null:
            out = std::monostate();
            return true;
        case Tag::integer:
            if (!reader.read_be(number)) {
                return false;
            }
            out = static_cast<std::int64_t>(number);
            return true;
        case Tag::text:
        case Tag::bytes:
            if (!reader.read_be(size) || !reader.read_bytes(size, content)) {
                return false;
            }
            if (static_cast<Tag>(tag) == Tag::text) {
                out = std::string(as_text(content));
            } else {
                out = Bytes(content.begin(), content.end());
            }
            return true;
    }
    return false;
}

template <std::size_t Index = 0>
Result<Thing> read_thing(std::uint8_t kind, const Row& row) {
    if constexpr (Index < std::variant_size_v<Thing>) {
        if (kind == Index) {
            std::variant_alternative_t<Index, Thing> thing;
            CASEMATE_CHECK(read_row(row, thing));
            return Thing(std::move(thing));
        }
        return read_thing<Index + 1>(kind, row);
    } else {
        return damaged("expected a kind of thing, found " + std::to_string(kind));
    }
}

}  // namespace

Result<SecretBytes> write_record(const OpenedThing& opened) {
    const std::vector<Value> columns =
        std::visit([](const auto& thing) { return in_columns(thing); }, opened.thing);
    std::size_t size = 2 + (opened.secret ? opened.secret->size() : 0);
    for (const Value& value : columns) {
        size += size_of(value);
    }
    if (size > kMaxRecord) {
        return damaged("expected a thing of at most " + std::to_string(kMaxRecord) +
                       " bytes, found one of " + std::to_string(size));
    }
    Bytes record;
    // All at once: a vector that grows leaves its old bytes behind.
    record.reserve(kRecordHead + size);
    ByteWriter writer(record);
    writer.put_u8(static_cast<std::uint8_t>(opened.thing.index()));
    writer.put_be(static_cast<std::uint32_t>(size));
    writer.put_u8(opened.secret ? 1 : 0);
    writer.put_u8(static_cast<std::uint8_t>(columns.size()));
    for (const Value& value : columns) {
        put_value(writer, value);
    }
    if (opened.secret) {
        writer.put_bytes(opened.secret->view());
    }
    return SecretBytes(std::move(record));
}

Result<RecordHead> read_record_head(ByteView bytes) {
    ByteReader reader(bytes);
    RecordHead head;
    if (!reader.read_u8(head.kind) || !reader.read_be(head.size) || !reader.empty() ||
        head.kind >= std::variant_size_v<Thing> || head.size > kMaxRecord) {
        return damaged("expected the beginning of a record, found other bytes");
    }
    return head;
}

Result<OpenedThing> read_record(const RecordHead& head, ByteView content) {
    ByteReader reader(content);
    std::uint8_t has_secret = 0;
    std::uint8_t count = 0;
    if (content.size() != head.size || !reader.read_u8(has_secret) || has_secret > 1 ||
        !reader.read_u8(count)) {
        return damaged("expected a whole record, found other bytes");
    }
    Row row(count);
    for (Value& value : row) {
        if (!read_value(reader, value)) {
            return damaged("expected the columns of a record, found other bytes");
        }
    }
    CASEMATE_TRY(Thing thing, read_thing(head.kind, row));
    OpenedThing opened{.thing = std::move(thing), .secret = std::nullopt};
    if (has_secret == 1) {
        SecretBytes secret(reader.remaining());
        if (reader.copy_bytes(secret.mutable_view())) {
            opened.secret = std::move(secret);
        }
    }
    if (!reader.empty()) {
        return damaged("expected the end of a record, found more");
    }
    return opened;
}

}  // namespace casemate::kms
