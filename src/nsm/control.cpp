#include "nsm/control.hpp"

#include <algorithm>

#include "nsm/errors.hpp"

namespace casemate::nsm {

namespace {

// The first byte of a packet. Each direction has numbers of its own, so that a packet that went the
// wrong way is refused.
enum class Kind : std::uint8_t {
    load = 1,
    loaded = 129,
    refused = 130,
};

// libnsm's buffer for the module's name (formats.md 2.2).
constexpr std::size_t kMaxModuleId = 100;
// IAM's limit of an ARN.
constexpr std::size_t kMaxRoleArn = 2048;
constexpr std::size_t kMaxInstanceId = 128;
constexpr std::size_t kMaxReason = 8192;
constexpr std::uint16_t kRegisters = 32;

Error bad(std::string detail) {
    return {NsmErrc::bad_message, std::move(detail)};
}

Error too_short(std::string_view field) {
    return bad("the packet ends before its " + std::string(field));
}

void put_kind(ByteWriter& writer, Kind kind) {
    writer.put_u8(static_cast<std::uint8_t>(kind));
}

void put_text(ByteWriter& writer, std::string_view text) {
    writer.put_le(static_cast<std::uint32_t>(text.size()));
    writer.put_bytes(as_bytes(text));
}

Result<std::string> read_text(ByteReader& reader, std::size_t limit, std::string_view field) {
    std::uint32_t size = 0;
    ByteView bytes;
    if (!reader.read_le(size)) {
        return too_short(field);
    }
    if (size > limit) {
        return bad("expected a " + std::string(field) + " of at most " + std::to_string(limit) +
                   " bytes, found " + std::to_string(size));
    }
    if (!reader.read_bytes(size, bytes)) {
        return too_short(field);
    }
    return std::string(as_text(bytes));
}

Result<Kind> read_kind(ByteReader& reader) {
    std::uint8_t kind = 0;
    if (!reader.read_u8(kind)) {
        return too_short("kind");
    }
    return static_cast<Kind>(kind);
}

Error unexpected(Kind kind, std::string_view wanted) {
    return bad("expected " + std::string(wanted) + ", found a packet of kind " +
               std::to_string(static_cast<unsigned>(kind)));
}

Result<> finish(const ByteReader& reader) {
    if (!reader.empty()) {
        return bad(std::to_string(reader.remaining()) + " bytes after the packet's last field");
    }
    return {};
}

Result<> check_memory(std::uint64_t bytes) {
    if (bytes % machine::kPageSize != 0 || bytes < machine::kMinMemory ||
        bytes > machine::kMaxMemory) {
        return bad("expected whole pages from " + std::to_string(machine::kMinMemory) + " to " +
                   std::to_string(machine::kMaxMemory) + " bytes of memory, found " +
                   std::to_string(bytes));
    }
    return {};
}

Result<std::map<std::uint16_t, PcrValue>> read_measurements(ByteReader& reader) {
    std::map<std::uint16_t, PcrValue> measurements;
    std::uint8_t count = 0;
    if (!reader.read_u8(count)) {
        return too_short("measurements");
    }
    for (unsigned i = 0; i < count; ++i) {
        std::uint16_t index = 0;
        PcrValue value{};
        if (!reader.read_le(index) || !reader.copy_bytes(value)) {
            return too_short("measurements");
        }
        // Ascending, so that one list has one encoding.
        const bool ascending = measurements.empty() || measurements.rbegin()->first < index;
        if (index >= kRegisters || !ascending) {
            return bad("expected registers below 32 in ascending order, found " +
                       std::to_string(index));
        }
        measurements.emplace(index, value);
    }
    return measurements;
}

Result<ModuleMessage> read_loaded(ByteReader& reader) {
    Loaded loaded;
    CASEMATE_TRY(loaded.image, machine::decode_boot_image(reader));
    CASEMATE_TRY(loaded.measurements, read_measurements(reader));
    return ModuleMessage(std::move(loaded));
}

Result<ModuleMessage> read_refused(ByteReader& reader) {
    Refused refused;
    std::uint8_t kind = 0;
    if (!reader.read_u8(kind)) {
        return too_short("kind of refusal");
    }
    if (kind < static_cast<std::uint8_t>(RefusalKind::bad_image) ||
        kind > static_cast<std::uint8_t>(RefusalKind::input_output)) {
        return bad("expected a kind of refusal of 1 to 3, found " + std::to_string(kind));
    }
    refused.kind = static_cast<RefusalKind>(kind);
    CASEMATE_TRY(refused.reason, read_text(reader, kMaxReason, "reason"));
    return ModuleMessage(std::move(refused));
}

void put(ByteWriter& writer, const Loaded& loaded) {
    put_kind(writer, Kind::loaded);
    encode(loaded.image, writer);
    writer.put_u8(static_cast<std::uint8_t>(loaded.measurements.size()));
    for (const auto& [index, value] : loaded.measurements) {
        writer.put_le(index);
        writer.put_bytes(value);
    }
}

void put(ByteWriter& writer, const Refused& refused) {
    put_kind(writer, Kind::refused);
    writer.put_u8(static_cast<std::uint8_t>(refused.kind));
    put_text(writer, std::string_view(refused.reason).substr(0, kMaxReason));
}

}  // namespace

std::string_view describe(NsmErrc code) {
    switch (code) {
        case NsmErrc::bad_message:
            return "bad control packet";
        case NsmErrc::bad_image:
            return "image can't be started";
        case NsmErrc::memory_too_small:
            return "not enough memory for the image";
    }
    return "unknown security module error";
}

Bytes encode(const Load& message) {
    Bytes packet;
    ByteWriter writer(packet);
    put_kind(writer, Kind::load);
    writer.put_le(message.memory_bytes);
    writer.put_u8(message.debug ? 1 : 0);
    put_text(writer, message.module_id);
    put_text(writer, message.role_arn);
    put_text(writer, message.instance_id);
    return packet;
}

Bytes encode(const ModuleMessage& message) {
    Bytes packet;
    ByteWriter writer(packet);
    std::visit([&writer](const auto& one) { put(writer, one); }, message);
    return packet;
}

Result<Load> decode_load(ByteView packet) {
    ByteReader reader(packet);
    CASEMATE_TRY(const Kind kind, read_kind(reader));
    if (kind != Kind::load) {
        return unexpected(kind, "Load");
    }
    Load load;
    std::uint8_t debug = 0;
    if (!reader.read_le(load.memory_bytes) || !reader.read_u8(debug)) {
        return too_short("memory and mode");
    }
    CASEMATE_CHECK(check_memory(load.memory_bytes));
    if (debug > 1) {
        return bad("expected a mode of 0 or 1, found " + std::to_string(debug));
    }
    load.debug = debug == 1;
    CASEMATE_TRY(load.module_id, read_text(reader, kMaxModuleId, "module id"));
    CASEMATE_TRY(load.role_arn, read_text(reader, kMaxRoleArn, "role ARN"));
    CASEMATE_TRY(load.instance_id, read_text(reader, kMaxInstanceId, "instance id"));
    CASEMATE_CHECK(finish(reader));
    return load;
}

Result<ModuleMessage> decode_module_message(ByteView packet) {
    ByteReader reader(packet);
    CASEMATE_TRY(const Kind kind, read_kind(reader));
    if (kind != Kind::loaded && kind != Kind::refused) {
        return unexpected(kind, "Loaded or Refused");
    }
    CASEMATE_TRY(ModuleMessage message,
                 kind == Kind::loaded ? read_loaded(reader) : read_refused(reader));
    CASEMATE_CHECK(finish(reader));
    return message;
}

}  // namespace casemate::nsm
