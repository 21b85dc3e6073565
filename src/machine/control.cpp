#include "machine/control.hpp"

#include <algorithm>

#include "machine/errors.hpp"

namespace casemate::machine {

namespace {

// The first byte of a packet. Each direction has numbers of its own, so that a packet that went the
// wrong way is refused.
enum class Kind : std::uint8_t {
    start = 1,
    open_stream = 2,
    connect_reply = 3,
    stop = 4,
    started = 129,
    connect_request = 130,
    guest_panicked = 131,
    exited = 132,
};

constexpr std::size_t kMaxPanicLine = 256;
constexpr std::size_t kMaxDetail = 8192;

Error too_short() {
    return {MachineErrc::bad_message, "the control packet ends in the middle of a field"};
}

// read_flag takes 0 and 1 alone.
Result<bool> read_flag(ByteReader& reader) {
    std::uint8_t value = 0;
    if (!reader.read_u8(value)) {
        return too_short();
    }
    if (value > 1) {
        return Error(MachineErrc::bad_message,
                     "expected a flag of 0 or 1, found " + std::to_string(value));
    }
    return value == 1;
}

Result<std::string> read_text(ByteReader& reader, std::size_t limit) {
    std::uint32_t size = 0;
    ByteView bytes;
    if (!reader.read_le(size) || !reader.read_bytes(size, bytes)) {
        return too_short();
    }
    if (size > limit) {
        return Error(MachineErrc::bad_message, "expected a text of at most " +
                                                   std::to_string(limit) + " bytes, found " +
                                                   std::to_string(size));
    }
    return std::string(as_text(bytes));
}

void put_kind(ByteWriter& writer, Kind kind) {
    writer.put_u8(static_cast<std::uint8_t>(kind));
}

void put_text(ByteWriter& writer, std::string_view text) {
    writer.put_le(static_cast<std::uint32_t>(text.size()));
    writer.put_bytes(as_bytes(text));
}

void put(ByteWriter& writer, const Start& message) {
    put_kind(writer, Kind::start);
    writer.put_le(message.memory_bytes);
    writer.put_le(message.vcpu_count);
    writer.put_le(static_cast<std::uint32_t>(message.pinned_cpus.size()));
    for (const std::uint32_t cpu : message.pinned_cpus) {
        writer.put_le(cpu);
    }
    writer.put_le(message.guest_cid);
    writer.put_u8(message.console ? 1 : 0);
    encode(message.image, writer);
}

void put(ByteWriter& writer, const OpenStream& message) {
    put_kind(writer, Kind::open_stream);
    writer.put_le(message.guest_port);
}

void put(ByteWriter& writer, const ConnectReply& message) {
    put_kind(writer, Kind::connect_reply);
    writer.put_le(message.request_id);
    writer.put_u8(message.accepted ? 1 : 0);
}

void put(ByteWriter& writer, const Stop& /*message*/) {
    put_kind(writer, Kind::stop);
}

void put(ByteWriter& writer, const Started& /*message*/) {
    put_kind(writer, Kind::started);
}

void put(ByteWriter& writer, const ConnectRequest& message) {
    put_kind(writer, Kind::connect_request);
    writer.put_le(message.request_id);
    writer.put_le(message.destination_cid);
    writer.put_le(message.destination_port);
    writer.put_le(message.source_port);
}

void put(ByteWriter& writer, const GuestPanicked& message) {
    put_kind(writer, Kind::guest_panicked);
    put_text(writer, message.line);
}

void put(ByteWriter& writer, const Exited& message) {
    put_kind(writer, Kind::exited);
    writer.put_u8(static_cast<std::uint8_t>(message.reason));
    put_text(writer, message.detail);
}

template <class Message>
Bytes encode_any(const Message& message) {
    Bytes packet;
    ByteWriter writer(packet);
    std::visit([&writer](const auto& alternative) { put(writer, alternative); }, message);
    return packet;
}

Result<Start> read_start(ByteReader& reader) {
    Start start;
    std::uint32_t pinned = 0;
    if (!reader.read_le(start.memory_bytes) || !reader.read_le(start.vcpu_count) ||
        !reader.read_le(pinned)) {
        return too_short();
    }
    if (pinned > kMaxVcpus) {
        return Error(MachineErrc::bad_message, "expected at most " + std::to_string(kMaxVcpus) +
                                                   " pinned CPUs, found " + std::to_string(pinned));
    }
    start.pinned_cpus.resize(pinned);
    for (auto& cpu : start.pinned_cpus) {
        if (!reader.read_le(cpu)) {
            return too_short();
        }
    }
    if (!reader.read_le(start.guest_cid)) {
        return too_short();
    }
    CASEMATE_TRY(start.console, read_flag(reader));
    CASEMATE_TRY(start.image, decode_boot_image(reader));
    return start;
}

Result<OpenStream> read_open_stream(ByteReader& reader) {
    OpenStream message;
    if (!reader.read_le(message.guest_port)) {
        return too_short();
    }
    return message;
}

Result<ConnectReply> read_connect_reply(ByteReader& reader) {
    ConnectReply message;
    if (!reader.read_le(message.request_id)) {
        return too_short();
    }
    CASEMATE_TRY(message.accepted, read_flag(reader));
    return message;
}

Result<ConnectRequest> read_connect_request(ByteReader& reader) {
    ConnectRequest message;
    if (!reader.read_le(message.request_id) || !reader.read_le(message.destination_cid) ||
        !reader.read_le(message.destination_port) || !reader.read_le(message.source_port)) {
        return too_short();
    }
    return message;
}

Result<GuestPanicked> read_guest_panicked(ByteReader& reader) {
    CASEMATE_TRY(auto line, read_text(reader, kMaxPanicLine));
    const bool printable = std::all_of(line.begin(), line.end(),
                                       [](char letter) { return letter >= ' ' && letter <= '~'; });
    if (!printable) {
        return Error(MachineErrc::bad_message, "expected printable characters in a panic line");
    }
    return GuestPanicked{std::move(line)};
}

Result<Exited> read_exited(ByteReader& reader) {
    std::uint8_t reason = 0;
    if (!reader.read_u8(reason)) {
        return too_short();
    }
    if (reason < static_cast<std::uint8_t>(ExitReason::guest_reset) ||
        reason > static_cast<std::uint8_t>(ExitReason::not_started)) {
        return Error(MachineErrc::bad_message,
                     "expected an exit reason from 1 to 9, found " + std::to_string(reason));
    }
    CASEMATE_TRY(auto detail, read_text(reader, kMaxDetail));
    return Exited{static_cast<ExitReason>(reason), std::move(detail)};
}

// as_message turns a Result of one alternative into a Result of the variant.
template <class Message, class T>
Result<Message> as_message(Result<T> result) {
    if (!result) {
        return std::move(result).error();
    }
    return Message(std::move(result).value());
}

Error unknown_kind(std::uint8_t kind) {
    return {MachineErrc::bad_message, "unknown control packet kind " + std::to_string(kind)};
}

Result<SupervisorMessage> read_supervisor_message(std::uint8_t kind, ByteReader& reader) {
    switch (static_cast<Kind>(kind)) {
        case Kind::start:
            return as_message<SupervisorMessage>(read_start(reader));
        case Kind::open_stream:
            return as_message<SupervisorMessage>(read_open_stream(reader));
        case Kind::connect_reply:
            return as_message<SupervisorMessage>(read_connect_reply(reader));
        case Kind::stop:
            return SupervisorMessage(Stop{});
        default:
            return unknown_kind(kind);
    }
}

Result<VmmMessage> read_vmm_message(std::uint8_t kind, ByteReader& reader) {
    switch (static_cast<Kind>(kind)) {
        case Kind::started:
            return VmmMessage(Started{});
        case Kind::connect_request:
            return as_message<VmmMessage>(read_connect_request(reader));
        case Kind::guest_panicked:
            return as_message<VmmMessage>(read_guest_panicked(reader));
        case Kind::exited:
            return as_message<VmmMessage>(read_exited(reader));
        default:
            return unknown_kind(kind);
    }
}

template <class Message, class Read>
Result<Message> decode_any(ByteView packet, Read read) {
    ByteReader reader(packet);
    std::uint8_t kind = 0;
    if (packet.size() > kMaxControlPacket) {
        return Error(MachineErrc::bad_message,
                     "expected a control packet of at most " + std::to_string(kMaxControlPacket) +
                         " bytes, found " + std::to_string(packet.size()));
    }
    if (!reader.read_u8(kind)) {
        return Error(MachineErrc::bad_message, "the control packet is empty");
    }
    CASEMATE_TRY(auto message, read(kind, reader));
    if (!reader.empty()) {
        return Error(MachineErrc::bad_message, "expected the control packet to end, found " +
                                                   std::to_string(reader.remaining()) +
                                                   " more bytes");
    }
    return message;
}

}  // namespace

Bytes encode(const SupervisorMessage& message) {
    return encode_any(message);
}

Bytes encode(const VmmMessage& message) {
    return encode_any(message);
}

Result<SupervisorMessage> decode_supervisor_message(ByteView packet) {
    return decode_any<SupervisorMessage>(packet, read_supervisor_message);
}

Result<VmmMessage> decode_vmm_message(ByteView packet) {
    return decode_any<VmmMessage>(packet, read_vmm_message);
}

}  // namespace casemate::machine
