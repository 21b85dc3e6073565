#include "nsm/control.hpp"

#include <limits>

#include "nsm/errors.hpp"

namespace casemate::nsm {

namespace {

// The first byte of a packet. Each direction has numbers of its own, so that a packet that went the
// wrong way is refused.
enum class Kind : std::uint8_t {
    load = 1,
    certified = 2,
    loaded = 129,
    refused = 130,
    new_leaf_key = 131,
};

// libnsm's buffer for the module's name (formats.md 2.2).
constexpr std::size_t kMaxModuleId = 100;
// IAM's limit of an ARN.
constexpr std::size_t kMaxRoleArn = 2048;
constexpr std::size_t kMaxInstanceId = 128;
constexpr std::size_t kMaxReason = 8192;
constexpr std::uint16_t kRegisters = 32;
constexpr std::uint64_t kMaxTime = std::numeric_limits<std::int64_t>::max();

Error bad(std::string detail) {
    return {NsmErrc::bad_message, std::move(detail)};
}

Error too_short(std::string_view field) {
    return bad("the packet ends before its " + std::string(field));
}

void put_kind(ByteWriter& writer, Kind kind) {
    writer.put_u8(static_cast<std::uint8_t>(kind));
}

void put_sized(ByteWriter& writer, ByteView bytes) {
    writer.put_le(static_cast<std::uint32_t>(bytes.size()));
    writer.put_bytes(bytes);
}

void put_text(ByteWriter& writer, std::string_view text) {
    put_sized(writer, as_bytes(text));
}

Result<ByteView> read_sized(ByteReader& reader, std::size_t limit, std::string_view field) {
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
    return bytes;
}

Result<std::string> read_text(ByteReader& reader, std::size_t limit, std::string_view field) {
    CASEMATE_TRY(const ByteView bytes, read_sized(reader, limit, field));
    return std::string(as_text(bytes));
}

// read_der reads a key or a certificate; there is none of no bytes.
Result<Bytes> read_der(ByteReader& reader, std::size_t limit, std::string_view field) {
    CASEMATE_TRY(const ByteView bytes, read_sized(reader, limit, field));
    if (bytes.empty()) {
        return bad("expected a " + std::string(field) + ", found none");
    }
    return Bytes(bytes.begin(), bytes.end());
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
    CASEMATE_TRY(loaded.leaf_key, read_der(reader, kMaxLeafKey, "leaf key"));
    return ModuleMessage(std::move(loaded));
}

Result<ModuleMessage> read_new_leaf_key(ByteReader& reader) {
    NewLeafKey message;
    CASEMATE_TRY(message.leaf_key, read_der(reader, kMaxLeafKey, "leaf key"));
    return ModuleMessage(std::move(message));
}

Result<ModuleMessage> read_refused(ByteReader& reader) {
    Refused refused;
    std::uint8_t kind = 0;
    if (!reader.read_u8(kind)) {
        return too_short("kind of refusal");
    }
    if (kind < static_cast<std::uint8_t>(RefusalKind::bad_image) ||
        kind > static_cast<std::uint8_t>(RefusalKind::bad_signature)) {
        return bad("expected a kind of refusal of 1 to 4, found " + std::to_string(kind));
    }
    refused.kind = static_cast<RefusalKind>(kind);
    CASEMATE_TRY(refused.reason, read_text(reader, kMaxReason, "reason"));
    return ModuleMessage(std::move(refused));
}

Result<SupervisorMessage> read_load(ByteReader& reader) {
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
    return SupervisorMessage(std::move(load));
}

Result<SupervisorMessage> read_certified(ByteReader& reader) {
    Certified certified;
    CASEMATE_TRY(certified.leaf, read_der(reader, kMaxCertificate, "leaf certificate"));
    std::uint8_t count = 0;
    if (!reader.read_u8(count)) {
        return too_short("bundle");
    }
    if (count == 0 || count > kMaxBundle) {
        return bad("expected a bundle of 1 to " + std::to_string(kMaxBundle) +
                   " certificates, found " + std::to_string(count));
    }
    for (unsigned i = 0; i < count; ++i) {
        CASEMATE_TRY(Bytes one, read_der(reader, kMaxCertificate, "certificate of the bundle"));
        certified.bundle.push_back(std::move(one));
    }
    std::uint64_t until = 0;
    if (!reader.read_le(until)) {
        return too_short("time");
    }
    if (until == 0 || until > kMaxTime) {
        return bad("expected an end in milliseconds since 1970, found " + std::to_string(until));
    }
    certified.valid_until_ms = static_cast<std::int64_t>(until);
    return SupervisorMessage(std::move(certified));
}

Result<ModuleMessage> read_module_message(Kind kind, ByteReader& reader) {
    switch (kind) {
        case Kind::loaded:
            return read_loaded(reader);
        case Kind::refused:
            return read_refused(reader);
        case Kind::new_leaf_key:
            return read_new_leaf_key(reader);
        case Kind::load:
        case Kind::certified:
            break;
    }
    return unexpected(kind, "Loaded, Refused or NewLeafKey");
}

void put(ByteWriter& writer, const Load& load) {
    put_kind(writer, Kind::load);
    writer.put_le(load.memory_bytes);
    writer.put_u8(load.debug ? 1 : 0);
    put_text(writer, load.module_id);
    put_text(writer, load.role_arn);
    put_text(writer, load.instance_id);
}

void put(ByteWriter& writer, const Certified& certified) {
    put_kind(writer, Kind::certified);
    put_sized(writer, certified.leaf);
    writer.put_u8(static_cast<std::uint8_t>(certified.bundle.size()));
    for (const Bytes& one : certified.bundle) {
        put_sized(writer, one);
    }
    writer.put_le(static_cast<std::uint64_t>(certified.valid_until_ms));
}

void put(ByteWriter& writer, const Loaded& loaded) {
    put_kind(writer, Kind::loaded);
    encode(loaded.image, writer);
    writer.put_u8(static_cast<std::uint8_t>(loaded.measurements.size()));
    for (const auto& [index, value] : loaded.measurements) {
        writer.put_le(index);
        writer.put_bytes(value);
    }
    put_sized(writer, loaded.leaf_key);
}

void put(ByteWriter& writer, const NewLeafKey& message) {
    put_kind(writer, Kind::new_leaf_key);
    put_sized(writer, message.leaf_key);
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
        case NsmErrc::bad_certificate:
            return "certificate can't be used";
    }
    return "unknown security module error";
}

Bytes encode(const SupervisorMessage& message) {
    Bytes packet;
    ByteWriter writer(packet);
    std::visit([&writer](const auto& one) { put(writer, one); }, message);
    return packet;
}

Bytes encode(const ModuleMessage& message) {
    Bytes packet;
    ByteWriter writer(packet);
    std::visit([&writer](const auto& one) { put(writer, one); }, message);
    return packet;
}

Result<SupervisorMessage> decode_supervisor_message(ByteView packet) {
    ByteReader reader(packet);
    CASEMATE_TRY(const Kind kind, read_kind(reader));
    if (kind != Kind::load && kind != Kind::certified) {
        return unexpected(kind, "Load or Certified");
    }
    CASEMATE_TRY(SupervisorMessage message,
                 kind == Kind::load ? read_load(reader) : read_certified(reader));
    CASEMATE_CHECK(finish(reader));
    return message;
}

Result<ModuleMessage> decode_module_message(ByteView packet) {
    ByteReader reader(packet);
    CASEMATE_TRY(const Kind kind, read_kind(reader));
    CASEMATE_TRY(ModuleMessage message, read_module_message(kind, reader));
    CASEMATE_CHECK(finish(reader));
    return message;
}

}  // namespace casemate::nsm
