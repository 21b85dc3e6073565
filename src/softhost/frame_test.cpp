#include "softhost/frame.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "softhost/error.hpp"

namespace casemate::softhost {
namespace {

// Feeds bytes in pieces and gives the frames that come out, payloads copied.
struct Copied {
    FrameKind kind;
    std::uint32_t channel;
    Bytes payload;

    bool operator==(const Copied&) const = default;
};

Result<std::vector<Copied>> read_all(ByteView bytes, std::size_t piece) {
    FrameReader reader;
    std::vector<Copied> frames;
    while (!bytes.empty()) {
        const MutableBytes space = reader.space();
        const std::size_t size = std::min({piece, bytes.size(), space.size()});
        std::copy_n(bytes.begin(), size, space.begin());
        bytes = bytes.subspan(size);
        reader.received(size);
        while (true) {
            CASEMATE_TRY(const auto frame, reader.next());
            if (!frame) {
                break;
            }
            frames.push_back(
                {frame->kind, frame->channel, Bytes(frame->payload.begin(), frame->payload.end())});
        }
    }
    return frames;
}

Error error_of(ByteView bytes) {
    auto frames = read_all(bytes, bytes.size());
    EXPECT_FALSE(frames.ok());
    return frames ? Error(SofthostErrc::missing, "no error") : frames.error();
}

TEST(Frame, survives_any_cutting) {
    Bytes wire;
    std::vector<Copied> expected;
    for (std::uint32_t i = 0; i < 40; ++i) {
        const Bytes payload(i == 39 ? kMaxPayload : i * 331, static_cast<std::uint8_t>(i));
        const auto kind = static_cast<FrameKind>(1 + i % 8);
        put_frame({kind, i, payload}, wire);
        expected.push_back({kind, i, payload});
    }
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, std::size_t{4096}, wire.size()}) {
        const auto frames = read_all(wire, piece);
        ASSERT_TRUE(frames.ok()) << frames.error().message();
        EXPECT_EQ(*frames, expected);
    }
}

TEST(Frame, layout) {
    Bytes wire;
    put_credit(0x01020304, 0x0a0b0c0d, wire);
    EXPECT_EQ(to_hex(wire), "0500000004030201040000000d0c0b0a");
}

TEST(Frame, refuses_what_is_not_a_frame) {
    EXPECT_TRUE(error_of(Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).is(SofthostErrc::bad_frame));
    EXPECT_TRUE(error_of(Bytes{9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).is(SofthostErrc::bad_frame));
    EXPECT_TRUE(error_of(Bytes{3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).is(SofthostErrc::bad_frame));
    EXPECT_TRUE(error_of(Bytes{3, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}).is(SofthostErrc::bad_frame));
    // One byte more than the longest payload, and the longest length there is.
    EXPECT_TRUE(error_of(Bytes{3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0}).is(SofthostErrc::bad_frame));
    EXPECT_TRUE(
        error_of(Bytes{3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255}).is(SofthostErrc::bad_frame));
}

TEST(Frame, credit_is_four_bytes_and_not_zero) {
    EXPECT_EQ(*read_credit(Bytes{1, 2, 0, 0}), 0x201U);
    EXPECT_FALSE(read_credit(Bytes{0, 0, 0, 0}).ok());
    EXPECT_FALSE(read_credit(Bytes{1, 0, 0}).ok());
    EXPECT_FALSE(read_credit(Bytes{1, 0, 0, 0, 0}).ok());
}

TEST(PacketFrame, round_trip) {
    const std::vector<Attachment> attachments{
        {AttachmentKind::left_out, 0}, {AttachmentKind::stream, 7}, {AttachmentKind::packets, 9}};
    Bytes payload;
    put_packet_prefix(attachments, payload);
    payload.push_back('x');
    const auto frame = read_packet_frame(payload);
    ASSERT_TRUE(frame.ok()) << frame.error().message();
    EXPECT_EQ(frame->attachments, attachments);
    EXPECT_EQ(as_text(frame->packet), "x");
}

TEST(PacketFrame, refuses) {
    EXPECT_FALSE(read_packet_frame(Bytes{}).ok());
    EXPECT_FALSE(read_packet_frame(Bytes{0}).ok()) << "no packet";
    EXPECT_FALSE(read_packet_frame(Bytes{9, 'x'}).ok()) << "too many attachments";
    EXPECT_FALSE(read_packet_frame(Bytes{1, 3, 1, 0, 0, 0, 'x'}).ok()) << "unknown kind";
    EXPECT_FALSE(read_packet_frame(Bytes{1, 1, 0, 0, 0, 0, 'x'}).ok()) << "stream on channel 0";
    EXPECT_FALSE(read_packet_frame(Bytes{1, 0, 1, 0, 0, 0, 'x'}).ok()) << "left out, with channel";
    EXPECT_FALSE(read_packet_frame(Bytes{1, 1, 1, 0}).ok()) << "cut short";
}

TEST(Hello, round_trip_and_limits) {
    const Hello hello{3, true, 123456789, "KVM of AMD"};
    EXPECT_EQ(*decode_hello(encode_hello(hello)), hello);
    EXPECT_FALSE(decode_hello(Bytes(12)).ok());
    Bytes neither = encode_hello(hello);
    neither[4] = 2;
    EXPECT_FALSE(decode_hello(neither).ok());
    const Hello wordy{1, false, 0, std::string(kMaxSentence + 1, 'x')};
    EXPECT_EQ(decode_hello(encode_hello(wordy))->sentence.size(), kMaxSentence);
}

}  // namespace
}  // namespace casemate::softhost
