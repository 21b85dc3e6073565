#include "softhost/frame.hpp"

#include <algorithm>

#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

constexpr std::size_t kLengthOffset = 8;

Error bad_frame(std::string sentence) {
    return {SofthostErrc::bad_frame, std::move(sentence)};
}

bool known_kind(std::uint8_t kind) {
    return kind >= static_cast<std::uint8_t>(FrameKind::hello) &&
           kind <= static_cast<std::uint8_t>(FrameKind::reset);
}

// Reads a header; nothing when it is not all there yet.
Result<std::optional<Frame>> read_frame(ByteReader& reader) {
    std::uint8_t kind = 0;
    std::uint8_t zero_low = 0;
    std::uint16_t zero_high = 0;
    std::uint32_t channel = 0;
    std::uint32_t length = 0;
    if (!reader.read_u8(kind) || !reader.read_u8(zero_low) || !reader.read_le(zero_high) ||
        !reader.read_le(channel) || !reader.read_le(length)) {
        return std::optional<Frame>();
    }
    if (!known_kind(kind)) {
        return bad_frame("expected a kind of 1 to 8, got " + std::to_string(kind));
    }
    if (zero_low != 0 || zero_high != 0) {
        return bad_frame("expected zeros after the kind");
    }
    if (length > kMaxPayload) {
        return bad_frame("expected at most " + std::to_string(kMaxPayload) +
                         " bytes of payload, got " + std::to_string(length));
    }
    Frame frame{static_cast<FrameKind>(kind), channel, {}};
    if (!reader.read_bytes(length, frame.payload)) {
        return std::optional<Frame>();
    }
    return std::optional(frame);
}

}  // namespace

std::size_t begin_frame(FrameKind kind, std::uint32_t channel, Bytes& out) {
    const std::size_t begun = out.size();
    ByteWriter writer(out);
    writer.put_u8(static_cast<std::uint8_t>(kind));
    writer.put_zeros(3);
    writer.put_le(channel);
    writer.put_le(std::uint32_t{0});
    return begun;
}

void end_frame(std::size_t begun, Bytes& out) {
    const std::size_t length = out.size() - begun - kFrameHeaderSize;
    for (std::size_t i = 0; i < sizeof(std::uint32_t); ++i) {
        out[begun + kLengthOffset + i] = static_cast<std::uint8_t>(length >> (8U * i));
    }
}

void put_frame(const Frame& frame, Bytes& out) {
    const std::size_t begun = begin_frame(frame.kind, frame.channel, out);
    ByteWriter(out).put_bytes(frame.payload);
    end_frame(begun, out);
}

void put_credit(std::uint32_t channel, std::uint32_t bytes, Bytes& out) {
    const std::size_t begun = begin_frame(FrameKind::credit, channel, out);
    ByteWriter(out).put_le(bytes);
    end_frame(begun, out);
}

Result<std::uint32_t> read_credit(ByteView payload) {
    ByteReader reader(payload);
    std::uint32_t bytes = 0;
    if (!reader.read_le(bytes) || !reader.empty() || bytes == 0) {
        return bad_frame("expected a credit of 4 bytes and more than zero, got " +
                         to_hex(payload.first(std::min<std::size_t>(payload.size(), 8))));
    }
    return bytes;
}

MutableBytes FrameReader::space() {
    if (begin_ == end_) {
        begin_ = end_ = 0;
    } else if (kCapacity - end_ < kFrameHeaderSize + kMaxPayload) {
        const auto first = buffer_.begin();
        std::copy(first + static_cast<std::ptrdiff_t>(begin_),
                  first + static_cast<std::ptrdiff_t>(end_), first);
        end_ -= begin_;
        begin_ = 0;
    }
    return MutableBytes(buffer_).subspan(end_);
}

Result<std::optional<Frame>> FrameReader::next() {
    ByteReader reader(ByteView(buffer_).subspan(begin_, end_ - begin_));
    auto frame = read_frame(reader);
    if (frame && frame->has_value()) {
        begin_ = end_ - reader.remaining();
    }
    return frame;
}

void put_packet_prefix(const std::vector<Attachment>& attachments, Bytes& out) {
    ByteWriter writer(out);
    writer.put_u8(static_cast<std::uint8_t>(attachments.size()));
    for (const Attachment& attachment : attachments) {
        writer.put_u8(static_cast<std::uint8_t>(attachment.kind));
        writer.put_le(attachment.channel);
    }
}

Result<PacketFrame> read_packet_frame(ByteView payload) {
    ByteReader reader(payload);
    std::uint8_t count = 0;
    if (!reader.read_u8(count) || count > kMaxAttachments) {
        return bad_frame("expected a packet of at most " + std::to_string(kMaxAttachments) +
                         " attachments");
    }
    PacketFrame frame;
    for (unsigned i = 0; i < count; ++i) {
        std::uint8_t kind = 0;
        Attachment attachment;
        if (!reader.read_u8(kind) || !reader.read_le(attachment.channel) ||
            kind > static_cast<std::uint8_t>(AttachmentKind::packets)) {
            return bad_frame("expected " + std::to_string(count) + " attachments of a known kind");
        }
        attachment.kind = static_cast<AttachmentKind>(kind);
        if ((attachment.kind == AttachmentKind::left_out) != (attachment.channel == 0)) {
            return bad_frame("expected a channel for each attachment that is not left out");
        }
        frame.attachments.push_back(attachment);
    }
    frame.packet = reader.rest();
    if (frame.packet.empty()) {
        return bad_frame("expected a packet of at least one byte");
    }
    return frame;
}

Bytes encode_hello(const Hello& hello) {
    Bytes out;
    ByteWriter writer(out);
    writer.put_le(hello.version);
    writer.put_u8(hello.kvm_works ? 1 : 0);
    writer.put_le(hello.uptime);
    writer.put_bytes(as_bytes(std::string_view(hello.sentence).substr(0, kMaxSentence)));
    return out;
}

Result<Hello> decode_hello(ByteView payload) {
    ByteReader reader(payload);
    Hello hello;
    std::uint8_t works = 0;
    if (!reader.read_le(hello.version) || !reader.read_u8(works) || !reader.read_le(hello.uptime) ||
        works > 1 || reader.remaining() > kMaxSentence) {
        return bad_frame("expected a hello, got " + std::to_string(payload.size()) + " bytes");
    }
    hello.kvm_works = works == 1;
    hello.sentence = as_text(reader.rest());
    return hello;
}

}  // namespace casemate::softhost
