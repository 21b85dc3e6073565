// Frames: how control packets, NSM packets and byte streams share the one serial port between the
// supervisor's side (outside) and the software host (inside). Pure: no descriptors here.
//
// A frame is a header of 12 bytes and a payload; integers are little-endian:
//     kind u8, zero u8[3], channel u32, length u32, payload[length]
// Channel 0 is the control socket. Other channels are made by the control packet that carries their
// descriptor; the outside numbers its own odd, the inside even, and no number is used twice.
// Each side sends on a channel at most kWindow bytes more than it was given credit for, and ends
// the channel with exactly one last frame, `gone` or `reset`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::softhost {

enum class FrameKind : std::uint8_t {
    // The inside is ready: payload is a Hello. Channel 0.
    hello = 1,
    // The inside can't go on: payload is a sentence. Channel 0.
    failure = 2,
    // Bytes of a stream channel; never empty.
    data = 3,
    // One packet of a packet channel, with its attachments (see PacketFrame).
    packet = 4,
    // The receiver has room for payload (u32) bytes more.
    credit = 5,
    // No more data from this side of the stream (half-close); the other direction goes on.
    finish = 6,
    // Last frame: this side neither sends nor wants anything more; what it sent before still
    // counts.
    gone = 7,
    // Last frame: this side's socket broke; what is on its way may be dropped.
    reset = 8,
};

inline constexpr std::size_t kFrameHeaderSize = 12;
inline constexpr std::size_t kMaxPayload = 65536;
inline constexpr std::uint32_t kControlChannel = 0;
// The version of this protocol, told by hello.
inline constexpr std::uint32_t kProtocolVersion = 1;
// The longest sentence in a hello or a failure, in bytes; a longer one is cut.
inline constexpr std::size_t kMaxSentence = 8192;

// Frame: payload is a view into the reader, good until the reader is next used.
struct Frame {
    FrameKind kind = FrameKind::data;
    std::uint32_t channel = 0;
    ByteView payload;
};

// begin_frame writes a header whose length end_frame fills in; both append to and edit out.
// end_frame takes what begin_frame gave. The payload must not be longer than kMaxPayload.
[[nodiscard]] std::size_t begin_frame(FrameKind kind, std::uint32_t channel, Bytes& out);
void end_frame(std::size_t begun, Bytes& out);

// put_frame writes a whole frame.
void put_frame(const Frame& frame, Bytes& out);
// put_credit writes a credit frame.
void put_credit(std::uint32_t channel, std::uint32_t bytes, Bytes& out);

// read_credit gives a credit frame's number; zero is refused.
[[nodiscard]] Result<std::uint32_t> read_credit(ByteView payload);

// FrameReader cuts a byte stream into frames. A frame that is not well-formed is
// SofthostErrc::bad_frame, and nothing can be read after it.
class FrameReader {
public:
    // space is where to put the next bytes that arrive: never empty. received says how many came.
    [[nodiscard]] MutableBytes space();
    void received(std::size_t size) { end_ += size; }

    // next gives the next whole frame, or nothing until more bytes have arrived.
    [[nodiscard]] Result<std::optional<Frame>> next();

private:
    static constexpr std::size_t kCapacity = 4 * (kFrameHeaderSize + kMaxPayload);

    Bytes buffer_ = Bytes(kCapacity);
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

// AttachmentKind: what a descriptor that travelled with a packet becomes on the other side.
enum class AttachmentKind : std::uint8_t {
    // It stays behind (guest memory): the other side gets no descriptor in its place.
    left_out = 0,
    // One end of a SOCK_STREAM or SOCK_SEQPACKET socket pair whose other end is the channel.
    stream = 1,
    packets = 2,
};

// Attachment: a descriptor's kind and, unless left out, its new channel.
struct Attachment {
    AttachmentKind kind = AttachmentKind::left_out;
    std::uint32_t channel = 0;

    bool operator==(const Attachment&) const = default;
};

// PacketFrame: the payload of a packet frame: count u8, then kind u8 and channel u32 for each
// attachment, then the packet. The packet is a view like Frame::payload.
struct PacketFrame {
    std::vector<Attachment> attachments;
    ByteView packet;
};

inline constexpr std::size_t kMaxAttachments = 8;

// put_packet_prefix writes what comes before the packet in the payload.
void put_packet_prefix(const std::vector<Attachment>& attachments, Bytes& out);
[[nodiscard]] Result<PacketFrame> read_packet_frame(ByteView payload);

// Hello: what the inside says of itself when it is ready, or why it never will be.
struct Hello {
    std::uint32_t version = kProtocolVersion;
    // kvm_works: a virtual machine of one instruction ran; else the sentence says what happened.
    bool kvm_works = false;
    // uptime: microseconds since its kernel started.
    std::uint64_t uptime = 0;
    std::string sentence;

    bool operator==(const Hello&) const = default;
};

// encode_hello cuts the sentence at kMaxSentence; decode_hello refuses what encode_hello would not
// write, except another version, which the caller has to compare.
[[nodiscard]] Bytes encode_hello(const Hello& hello);
[[nodiscard]] Result<Hello> decode_hello(ByteView payload);

}  // namespace casemate::softhost
