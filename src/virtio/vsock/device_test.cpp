#include "virtio/vsock/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "base/socket.hpp"
#include "virtio/testing/vsock_guest.hpp"

namespace casemate::virtio::vsock {
namespace {

using testing::GuestPacket;
using testing::kGuestCid;
using testing::must;
using testing::packet;
using testing::VsockGuest;

constexpr std::uint32_t kGuestPort = 1234;
constexpr std::uint32_t kHostPort = 5000;

// read_all reads what is there, at most; "EOF" follows the stream's end.
std::string read_all(int fd) {
    std::string text;
    std::array<char, 65536> chunk{};
    for (;;) {
        const ssize_t got = ::recv(fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
        if (got == 0) {
            return text + "EOF";
        }
        if (got < 0) {
            return text;
        }
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

void write_text(int fd, std::string_view text) {
    ASSERT_EQ(::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
}

class VsockTest : public ::testing::Test {
protected:
    explicit VsockTest(const VsockGuest::Options& options = {}) : guest(options) {}

    // next expects exactly one packet for the guest.
    GuestPacket next() {
        guest.run();
        auto packets = guest.collect();
        if (packets.size() != 1) {
            ADD_FAILURE() << "expected one packet, found " << packets.size();
            return {};
        }
        EXPECT_EQ(packets[0].header.destination_cid, kGuestCid);
        EXPECT_EQ(packets[0].header.length, packets[0].payload.size());
        return packets[0];
    }
    void expect_silence() {
        guest.run();
        EXPECT_EQ(guest.collect().size(), 0U);
    }
    // connect_out opens a stream from the guest; the host's program holds the socket returned.
    UniqueFd connect_out(std::uint32_t guest_port = kGuestPort, std::uint32_t host_port = kHostPort,
                         std::uint64_t cid = kParentCid) {
        guest.send(packet(Operation::request, guest_port, host_port, cid));
        auto pair = must(make_socket_pair(SOCK_STREAM));
        if (guest.host.requests.empty()) {
            ADD_FAILURE() << "the supervisor was not asked";
            return {};
        }
        guest.device.connection_accepted(guest.host.requests.back().id, std::move(pair.first));
        guest.host.requests.clear();
        const Header header = next().header;
        EXPECT_EQ(header.operation, Operation::response);
        EXPECT_EQ(header.source_cid, cid);
        EXPECT_EQ(header.source_port, host_port);
        EXPECT_EQ(header.destination_port, guest_port);
        EXPECT_GT(header.buffer_size, 0U);
        return std::move(pair.second);
    }
    // connect_in opens a stream to the guest, as far as the guest's acceptance.
    UniqueFd connect_in(Header& request) {
        auto pair = must(make_socket_pair(SOCK_STREAM));
        guest.device.open_stream(kGuestPort, std::move(pair.first));
        request = next().header;
        EXPECT_EQ(request.operation, Operation::request);
        return std::move(pair.second);
    }
    [[nodiscard]] Header from(Operation operation) const {
        return packet(operation, kGuestPort, kHostPort);
    }
    [[nodiscard]] Header data(std::string_view text) const {
        Header header = from(Operation::data);
        header.length = static_cast<std::uint32_t>(text.size());
        return header;
    }
    void send_text(std::string_view text) { guest.send(data(text), as_bytes(text)); }
    void expect_reset() { EXPECT_EQ(next().header.operation, Operation::reset); }
    // wait_until runs the loop until a timer has done something.
    template <class Condition>
    void wait_until(Condition condition) {
        while (!condition()) {
            ASSERT_TRUE(guest.loop.run_once(std::chrono::milliseconds(5)).ok());
        }
    }

    VsockGuest guest;
};

VsockGuest::Options quick() {
    VsockGuest::Options options;
    options.timeouts = {std::chrono::milliseconds(1), 2, 2};
    return options;
}

class QuickVsockTest : public VsockTest {
protected:
    QuickVsockTest() : VsockTest(quick()) {}
};

class PlainVsockTest : public VsockTest {
protected:
    static VsockGuest::Options options() {
        VsockGuest::Options options;
        options.features = kFeatureVersion1;
        return options;
    }
    PlainVsockTest() : VsockTest(options()) {}
};

// --- who may connect to whom ---

TEST_F(VsockTest, TellsTheGuestItsCid) {
    EXPECT_EQ(guest.driver.get(Register::device_id), 19U);
    Bytes cid(8);
    guest.transport->read(0x100, cid);
    EXPECT_EQ(cid, (Bytes{kGuestCid, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(VsockTest, AsksTheSupervisorForEachOfTheHostsCids) {
    for (const std::uint64_t cid : {0ULL, 2ULL, 3ULL}) {
        guest.send(packet(Operation::request, 77, 9000, cid));
        ASSERT_EQ(guest.host.requests.size(), 1U);
        EXPECT_EQ(guest.host.requests[0].cid, cid);
        EXPECT_EQ(guest.host.requests[0].port, 9000U);
        EXPECT_EQ(guest.host.requests[0].source_port, 77U);
        expect_silence();
        guest.device.connection_refused(guest.host.requests[0].id);
        const Header header = next().header;
        EXPECT_EQ(header.operation, Operation::reset);
        EXPECT_EQ(header.source_cid, cid);
        EXPECT_EQ(header.source_port, 9000U);
        EXPECT_EQ(header.destination_port, 77U);
        EXPECT_EQ(guest.device.connection_count(), 0U);
        guest.host.requests.clear();
    }
}

TEST_F(VsockTest, RefusesEveryOtherCid) {
    for (const std::uint64_t cid :
         {1ULL, 4ULL, 16ULL, 17ULL, 0xffff'ffffULL, 0x1'0000'0003ULL, ~0ULL}) {
        guest.send(packet(Operation::request, 77, 9000, cid));
        const Header header = next().header;
        EXPECT_EQ(header.operation, Operation::reset) << cid;
        EXPECT_EQ(header.source_cid, cid);
    }
    EXPECT_TRUE(guest.host.requests.empty());
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, RefusesASourceThatIsNotTheGuest) {
    Header header = from(Operation::request);
    header.source_cid = kGuestCid + 1;
    guest.send(header);
    const auto packets = guest.collect();
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].header.operation, Operation::reset);
    EXPECT_TRUE(guest.host.requests.empty());
}

TEST_F(VsockTest, RefusesOtherTypesAndUnknownOperations) {
    Header header = from(Operation::request);
    header.type = 2;
    guest.send(header);
    const Header reply = next().header;
    EXPECT_EQ(reply.operation, Operation::reset);
    EXPECT_EQ(reply.type, 2);
    for (const int operation : {0, 8, 0xffff}) {
        guest.send(from(static_cast<Operation>(operation)));
        expect_reset();
    }
    EXPECT_TRUE(guest.host.requests.empty());
}

TEST_F(VsockTest, AnswersStrangersWithResetButNeverAReset) {
    for (const Operation operation : {Operation::response, Operation::shutdown, Operation::data,
                                      Operation::credit_update, Operation::credit_request}) {
        guest.send(from(operation));
        expect_reset();
    }
    guest.send(from(Operation::reset));
    expect_silence();
    Header elsewhere = packet(Operation::reset, 1, 2, 99);
    guest.send(elsewhere);
    expect_silence();
}

// --- data ---

TEST_F(VsockTest, CarriesBytesBothWays) {
    const UniqueFd host = connect_out();
    send_text("from the guest");
    EXPECT_EQ(read_all(host.get()), "from the guest");
    write_text(host.get(), "from the host");
    const GuestPacket got = next();
    EXPECT_EQ(got.header.operation, Operation::data);
    EXPECT_EQ(as_text(got.payload), "from the host");
    EXPECT_EQ(got.header.forwarded, 14U) << "each packet tells the credit";
}

TEST_F(PlainVsockTest, CarriesBytesBothWaysWithoutEventIndices) {
    const UniqueFd host = connect_out();
    for (int i = 0; i < 600; ++i) {
        send_text("ping");
        ASSERT_EQ(read_all(host.get()), "ping");
        write_text(host.get(), "pong");
        ASSERT_EQ(as_text(next().payload), "pong");
    }
}

TEST_F(VsockTest, PacketsOfOneStreamAreWrittenTogetherAndInOrder) {
    const UniqueFd first = connect_out(1);
    const UniqueFd second = connect_out(2);
    std::string expected[2];
    for (int i = 0; i < 60; ++i) {
        const auto which = static_cast<std::uint32_t>(i % 7 == 0 ? 1 : 0);
        const std::string text = std::to_string(i) + ";";
        Header header = packet(Operation::data, which + 1, kHostPort);
        header.length = static_cast<std::uint32_t>(text.size());
        guest.put(header, as_bytes(text));
        expected[which] += text;
    }
    guest.kick();
    guest.run();
    EXPECT_EQ(read_all(first.get()), expected[0]);
    EXPECT_EQ(read_all(second.get()), expected[1]);
}

TEST_F(VsockTest, AHeaderAndItsDataMayBeCutAnywhere) {
    const UniqueFd host = connect_out();
    const std::string text = "in one descriptor, and in many";
    std::array<std::uint8_t, kHeaderSize> raw{};
    encode_header(data(text), raw);
    Bytes whole(raw.begin(), raw.end());
    whole.insert(whole.end(), text.begin(), text.end());
    constexpr std::uint64_t kPlace = 0xf00000;
    std::memcpy(guest.ram.at(kPlace, whole.size()).data(), whole.data(), whole.size());
    for (const std::uint32_t piece : {1U, 7U, 43U, 44U, 45U, 1000U}) {
        std::vector<testing::Buffer> buffers;
        for (std::uint32_t at = 0; at < whole.size(); at += piece) {
            buffers.push_back(
                {kPlace + at, std::min(piece, static_cast<std::uint32_t>(whole.size()) - at)});
        }
        ASSERT_TRUE(guest.transmit->add(buffers, {}));
        guest.driver.kick(VsockGuest::kTransmit);
        guest.run();
        EXPECT_EQ(read_all(host.get()), text);
        while (guest.transmit->take()) {
        }
    }
}

TEST_F(VsockTest, BytesForTheGuestFillItsBuffers) {
    const UniqueFd host = connect_out();
    const std::string text(100'000, 'x');
    write_text(host.get(), text);
    guest.run();
    std::size_t total = 0;
    const auto packets = guest.collect();
    for (const GuestPacket& got : packets) {
        EXPECT_EQ(got.header.operation, Operation::data);
        EXPECT_EQ(got.header.length, got.payload.size());
        total += got.payload.size();
    }
    EXPECT_EQ(total, text.size());
    EXPECT_EQ(packets.size(), (text.size() + 4051) / 4052);
}

TEST_F(VsockTest, DescriptorsSentAlongAreDroppedAndHoldUpNothing) {
    const UniqueFd host = connect_out();
    auto pair = must(make_socket_pair(SOCK_STREAM));
    const std::array<int, 1> sent{pair.first.get()};
    ASSERT_TRUE(send_packet(host.get(), as_bytes("one "), sent).ok());
    pair.first.reset();
    write_text(host.get(), "two");
    std::string got;
    guest.run();
    for (const GuestPacket& packet : guest.collect()) {
        got += as_text(packet.payload);
    }
    EXPECT_EQ(got, "one two");
    EXPECT_EQ(read_all(pair.second.get()), "EOF");
}

TEST_F(VsockTest, WithoutBuffersBytesStayInTheSocket) {
    const UniqueFd host = connect_out();
    guest.run();
    // The guest lets its buffers run out.
    std::size_t sent = 0;
    const std::string chunk(50'000, 'x');
    std::size_t received = 0;
    for (int i = 0; i < 60; ++i) {
        const ssize_t wrote =
            ::send(host.get(), chunk.data(), chunk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
        guest.run();
        Header update = from(Operation::credit_update);
        update.forwarded = static_cast<std::uint32_t>(received);
        for (const GuestPacket& got : guest.collect(false)) {
            received += got.payload.size();
        }
        update.forwarded = static_cast<std::uint32_t>(received);
        guest.send(update);
    }
    EXPECT_LE(received, 256U * 4052U);
    EXPECT_GT(sent, received);
    guest.offer_receive_buffers(256);
    while (received < sent) {
        guest.run();
        const auto packets = guest.collect();
        ASSERT_FALSE(packets.empty());
        for (const GuestPacket& got : packets) {
            received += got.payload.size();
        }
        Header update = from(Operation::credit_update);
        update.forwarded = static_cast<std::uint32_t>(received);
        guest.send(update);
    }
    EXPECT_EQ(received, sent);
}

// --- credit ---

TEST_F(VsockTest, NeverSendsMoreThanTheGuestCanTake) {
    const UniqueFd host = connect_out();
    Header update = from(Operation::credit_update);
    update.buffer_size = 10;
    guest.send(update);
    write_text(host.get(), "0123456789abcdef");
    guest.run();
    auto packets = guest.collect();
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(as_text(packets[0].payload), "0123456789");
    EXPECT_EQ(packets[1].header.operation, Operation::credit_request);
    expect_silence();
    update.forwarded = 4;
    guest.send(update);
    packets = guest.collect();
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(as_text(packets[0].payload), "abcd");
    EXPECT_EQ(packets[1].header.operation, Operation::credit_request);
    // A guest that shrinks its buffer below what is under way, or claims bytes never sent.
    update.buffer_size = 3;
    guest.send(update);
    expect_silence();
    update.forwarded = 1'000'000;
    guest.send(update);
    expect_silence();
    update.forwarded = 14;
    guest.send(update);
    EXPECT_EQ(as_text(next().payload), "ef");
}

TEST_F(VsockTest, AnswersACreditRequest) {
    const UniqueFd host = connect_out();
    send_text("12345");
    guest.send(from(Operation::credit_request));
    const Header header = next().header;
    EXPECT_EQ(header.operation, Operation::credit_update);
    EXPECT_EQ(header.buffer_size, VsockDevice::kBuffer);
    EXPECT_EQ(header.forwarded, 5U);
}

TEST_F(VsockTest, TellsCreditAtHalfOfTheBuffer) {
    const UniqueFd host = connect_out();
    const std::string chunk(VsockDevice::kBuffer / 4, 'x');
    send_text(chunk);
    expect_silence();
    send_text(chunk);
    EXPECT_EQ(read_all(host.get()).size(), 2 * chunk.size());
    guest.run();
    const Header header = next().header;
    EXPECT_EQ(header.operation, Operation::credit_update);
    EXPECT_EQ(header.forwarded, 2 * chunk.size());
}

TEST_F(VsockTest, KeepsWhatTheHostDoesNotReadAndNoMore) {
    const UniqueFd host = connect_out();
    const std::string chunk(kMaxPayload, 'x');
    std::uint32_t sent = 0;
    std::uint32_t forwarded = 0;
    // Until the credit is used up, as told.
    while (VsockDevice::kBuffer - (sent - forwarded) >= kMaxPayload) {
        send_text(chunk);
        sent += kMaxPayload;
        for (const GuestPacket& got : guest.collect()) {
            EXPECT_EQ(got.header.operation, Operation::credit_update);
            forwarded = got.header.forwarded;
        }
    }
    EXPECT_LT(forwarded, sent);
    guest.send(from(Operation::credit_request));
    forwarded = next().header.forwarded;
    // One byte more than what is left breaks the rule.
    const std::uint32_t left = VsockDevice::kBuffer - (sent - forwarded);
    std::string rest(left, 'y');
    for (std::size_t at = 0; at < rest.size(); at += kMaxPayload) {
        send_text(std::string_view(rest).substr(at, kMaxPayload));
    }
    expect_silence();
    send_text("z");
    expect_reset();
    // What was accepted still arrives.
    std::string got;
    while (got.size() < sent + left + 3) {
        const std::string more = read_all(host.get());
        ASSERT_FALSE(more.empty());
        got += more;
        guest.run();
    }
    EXPECT_EQ(got, std::string(sent, 'x') + rest + "EOF");
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

// --- ending ---

TEST_F(VsockTest, TheGuestsHalfCloseEndsTheHostsStreamAndNothingElse) {
    const UniqueFd host = connect_out();
    send_text("last words");
    Header shutdown = from(Operation::shutdown);
    shutdown.flags = kShutdownSend;
    guest.send(shutdown);
    EXPECT_EQ(read_all(host.get()), "last wordsEOF");
    expect_silence();
    write_text(host.get(), "the answer");
    EXPECT_EQ(as_text(next().payload), "the answer");
    shutdown.flags = kShutdownBoth;
    guest.send(shutdown);
    expect_reset();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, DataAfterTheGuestsHalfCloseBreaksTheRule) {
    const UniqueFd host = connect_out();
    Header shutdown = from(Operation::shutdown);
    shutdown.flags = kShutdownSend;
    guest.send(shutdown);
    send_text("more");
    expect_reset();
    EXPECT_EQ(read_all(host.get()), "EOF");
}

TEST_F(VsockTest, TheHostsHalfCloseIsToldAfterItsLastByte) {
    const UniqueFd host = connect_out();
    write_text(host.get(), "last words");
    ASSERT_EQ(::shutdown(host.get(), SHUT_WR), 0);
    guest.run();
    const auto packets = guest.collect();
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(as_text(packets[0].payload), "last words");
    EXPECT_EQ(packets[1].header.operation, Operation::shutdown);
    EXPECT_EQ(packets[1].header.flags, kShutdownSend);
    send_text("the answer");
    EXPECT_EQ(read_all(host.get()), "the answer");
    Header shutdown = from(Operation::shutdown);
    shutdown.flags = kShutdownBoth;
    guest.send(shutdown);
    EXPECT_EQ(read_all(host.get()), "EOF");
    guest.run();
    const auto last = guest.collect();
    ASSERT_FALSE(last.empty());
    EXPECT_EQ(last.back().header.operation, Operation::reset);
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, AHostThatGoesAwayIsToldAsBothAfterItsLastByte) {
    UniqueFd host = connect_out();
    write_text(host.get(), "last words");
    host.reset();
    guest.run();
    const auto packets = guest.collect();
    ASSERT_EQ(packets.size(), 2U);
    EXPECT_EQ(as_text(packets[0].payload), "last words");
    EXPECT_EQ(packets[1].header.operation, Operation::shutdown);
    EXPECT_EQ(packets[1].header.flags, kShutdownBoth);
    guest.send(from(Operation::reset));
    expect_silence();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, AHostThatOnlyStopsReadingIsToldAsThat) {
    const UniqueFd host = connect_out();
    ASSERT_EQ(::shutdown(host.get(), SHUT_RD), 0);
    send_text("nobody reads this");
    const Header header = next().header;
    EXPECT_EQ(header.operation, Operation::shutdown);
    EXPECT_EQ(header.flags, kShutdownReceive);
    send_text("nor this");
    expect_silence();
    guest.send(from(Operation::credit_request));
    EXPECT_EQ(next().header.forwarded, 25U) << "what nobody reads uses no credit";
    write_text(host.get(), "but it still speaks");
    EXPECT_EQ(as_text(next().payload), "but it still speaks");
}

TEST_F(VsockTest, AGuestThatOnlyStopsReceivingIsToldToTheHost) {
    const UniqueFd host = connect_out();
    Header shutdown = from(Operation::shutdown);
    shutdown.flags = kShutdownReceive;
    guest.send(shutdown);
    EXPECT_EQ(::send(host.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(errno, EPIPE);
    send_text("it still speaks");
    EXPECT_EQ(read_all(host.get()), "it still speaks");
}

TEST_F(VsockTest, BytesThatTheHostHasNotTakenOutliveTheGuestsClose) {
    const UniqueFd host = connect_out();
    std::size_t sent = 0;
    const std::string chunk(kMaxPayload, 'x');
    for (int i = 0; i < 6; ++i) {
        send_text(chunk);
        sent += chunk.size();
        static_cast<void>(guest.collect());
    }
    Header shutdown = from(Operation::shutdown);
    shutdown.flags = kShutdownBoth;
    guest.send(shutdown);
    const auto packets = guest.collect();
    ASSERT_FALSE(packets.empty());
    EXPECT_EQ(packets.back().header.operation, Operation::reset);
    // The guest may use its port again at once.
    const UniqueFd other = connect_out();
    std::string got;
    while (got.size() < sent + 3) {
        const std::string more = read_all(host.get());
        ASSERT_FALSE(more.empty());
        got += more;
        guest.run();
    }
    EXPECT_EQ(got.substr(sent), "EOF");
    EXPECT_EQ(guest.device.connection_count(), 1U);
}

TEST_F(VsockTest, AResetEndsTheStreamAtOnceAndWithoutAnswer) {
    const UniqueFd host = connect_out();
    guest.send(from(Operation::reset));
    EXPECT_EQ(read_all(host.get()), "EOF");
    expect_silence();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, WhatDoesNotBelongInAStreamEndsIt) {
    for (const Operation operation :
         {Operation::request, Operation::response, static_cast<Operation>(9)}) {
        const UniqueFd host = connect_out();
        guest.send(from(operation));
        expect_reset();
        EXPECT_EQ(read_all(host.get()), "EOF");
    }
    const UniqueFd host = connect_out();
    Header lying = data("x");
    lying.length = 2;
    guest.send(lying, as_bytes("x"));
    expect_reset();
    EXPECT_TRUE(guest.failures.empty());
}

TEST_F(QuickVsockTest, AGuestThatDoesNotEndWhatTheHostHasEndedIsReset) {
    UniqueFd host = connect_out();
    host.reset();
    guest.run();
    std::vector<Operation> operations;
    wait_until([&] {
        for (const GuestPacket& got : guest.collect()) {
            operations.push_back(got.header.operation);
        }
        return operations.size() >= 2;
    });
    EXPECT_EQ(operations, (std::vector{Operation::shutdown, Operation::reset}));
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(QuickVsockTest, AHostThatDoesNotTakeTheLastBytesIsGivenUp) {
    const UniqueFd host = connect_out();
    for (int i = 0; i < 6; ++i) {
        send_text(std::string(kMaxPayload, 'x'));
        static_cast<void>(guest.collect());
    }
    guest.send(from(Operation::reset));
    wait_until([&] { return guest.device.connection_count() == 0; });
    const std::string got = read_all(host.get());
    EXPECT_EQ(got.substr(got.size() - 3), "EOF");
}

// --- programs of the parent ---

TEST_F(VsockTest, AProgramOfTheParentIsToldItsPortBeforeTheFirstByte) {
    Header request;
    const UniqueFd host = connect_in(request);
    EXPECT_EQ(request.source_cid, kParentCid);
    EXPECT_EQ(request.destination_port, kGuestPort);
    EXPECT_EQ(read_all(host.get()), "");
    guest.put(packet(Operation::response, kGuestPort, request.source_port, kParentCid));
    Header hello = packet(Operation::data, kGuestPort, request.source_port, kParentCid);
    hello.length = 5;
    guest.send(hello, as_bytes("hello"));
    EXPECT_EQ(read_all(host.get()), "OK " + std::to_string(request.source_port) + "\nhello");
    write_text(host.get(), "and back");
    EXPECT_EQ(as_text(next().payload), "and back");
}

TEST_F(VsockTest, BytesWrittenTooEarlyWaitForTheGuest) {
    Header request;
    const UniqueFd host = connect_in(request);
    write_text(host.get(), "early");
    expect_silence();
    guest.send(packet(Operation::response, kGuestPort, request.source_port, kParentCid));
    EXPECT_EQ(as_text(next().payload), "early");
}

TEST_F(VsockTest, AStreamThatTheGuestRefusesIsClosed) {
    Header request;
    const UniqueFd host = connect_in(request);
    guest.send(packet(Operation::reset, kGuestPort, request.source_port, kParentCid));
    EXPECT_EQ(read_all(host.get()), "EOF");
    expect_silence();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(QuickVsockTest, AGuestThatDoesNotAnswerIsGivenUp) {
    Header request;
    const UniqueFd host = connect_in(request);
    wait_until([&] { return guest.device.connection_count() == 0; });
    EXPECT_EQ(read_all(host.get()), "EOF");
    expect_reset();
}

TEST_F(VsockTest, AProgramThatGivesUpBeforeTheGuestHasAnsweredIsToldAsReset) {
    Header request;
    UniqueFd host = connect_in(request);
    host.reset();
    expect_reset();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(VsockTest, StreamsToOnePortHavePortsOfTheirOwn) {
    Header first, second;
    const UniqueFd one = connect_in(first);
    const UniqueFd two = connect_in(second);
    EXPECT_NE(first.source_port, second.source_port);
}

TEST_F(VsockTest, WithoutADriverAStreamIsClosedAtOnce) {
    guest.driver.set(Register::status, 0);
    auto pair = must(make_socket_pair(SOCK_STREAM));
    guest.device.open_stream(kGuestPort, std::move(pair.first));
    EXPECT_EQ(read_all(pair.second.get()), "EOF");
}

// --- the guest's end ---

TEST_F(VsockTest, LastWordsAreTakenWithoutANotification) {
    const UniqueFd host = connect_out();
    guest.put(data("exited status 0\n"), as_bytes("exited status 0\n"));
    guest.device.drain();
    EXPECT_EQ(read_all(host.get()), "exited status 0\n");
    EXPECT_FALSE(guest.device.has_unsent());
    for (int i = 0; i < 6; ++i) {
        guest.put(data(std::string(40000, 'x')), Bytes(40000, 'x'));
    }
    guest.device.drain();
    EXPECT_TRUE(guest.device.has_unsent());
    std::size_t got = 0;
    while (got < 240000) {
        const std::size_t more = read_all(host.get()).size();
        ASSERT_GT(more, 0U);
        got += more;
        guest.run();
    }
    EXPECT_FALSE(guest.device.has_unsent());
}

// --- resets of the device, and lies ---

TEST_F(VsockTest, ADriverThatIsResetLosesItsStreams) {
    const UniqueFd host = connect_out();
    Header request;
    const UniqueFd incoming = connect_in(request);
    guest.send(packet(Operation::request, 99, 7, kParentCid));
    ASSERT_EQ(guest.host.requests.size(), 1U);
    write_text(host.get(), "for the old driver");
    guest.bring_up();
    EXPECT_EQ(guest.device.connection_count(), 0U);
    EXPECT_EQ(::send(host.get(), "x", 1, MSG_NOSIGNAL), -1);
    EXPECT_EQ(read_all(incoming.get()), "EOF");
    auto late = must(make_socket_pair(SOCK_STREAM));
    guest.device.connection_accepted(guest.host.requests[0].id, std::move(late.first));
    EXPECT_EQ(read_all(late.second.get()), "EOF");
    expect_silence();
    const UniqueFd again = connect_out();
    send_text("works");
    EXPECT_EQ(read_all(again.get()), "works");
}

TEST_F(VsockTest, ASocketsEventAndAResetAtOnceAreHarmless) {
    const UniqueFd host = connect_out();
    write_text(host.get(), "x");
    guest.driver.set(Register::status, 0);
    guest.run();
    EXPECT_EQ(guest.device.connection_count(), 0U);
    EXPECT_EQ(guest.receive->used_index(), 1) << "the response alone";
}

void expect_broken(VsockGuest& guest, const std::string& why) {
    guest.run();
    EXPECT_TRUE(guest.driver.needs_reset());
    ASSERT_EQ(guest.failures.size(), 1U);
    EXPECT_NE(guest.failures[0].find(why), std::string::npos) << guest.failures[0];
    guest.failures.clear();
    EXPECT_EQ(guest.device.connection_count(), 0U);
    guest.bring_up();
    EXPECT_FALSE(guest.driver.needs_reset());
}

TEST_F(VsockTest, LiesAboutTheRingsStopTheDeviceAndEndItsStreams) {
    for (const std::uint32_t index :
         {VsockGuest::kReceive, VsockGuest::kTransmit, VsockGuest::kEvent}) {
        const UniqueFd host = connect_out();
        testing::GuestQueue& queue = index == VsockGuest::kReceive    ? *guest.receive
                                     : index == VsockGuest::kTransmit ? *guest.transmit
                                                                      : *guest.event;
        queue.set_available_index(static_cast<std::uint16_t>(queue.used_index() + 1000));
        guest.driver.kick(index);
        if (index == VsockGuest::kReceive) {
            // The ring is looked at when a packet is due, not before.
            for (int i = 0; i < 300; ++i) {
                write_text(host.get(), std::string(4052, 'x'));
                guest.run();
                Header update = from(Operation::credit_update);
                update.buffer_size = UINT32_MAX;
                guest.send(update);
                if (guest.driver.needs_reset()) {
                    break;
                }
            }
        }
        expect_broken(guest, "bad available index");
        EXPECT_THAT(read_all(host.get()), ::testing::EndsWith("EOF"));
    }
}

TEST_F(VsockTest, BadBuffersStopTheDevice) {
    const UniqueFd host = connect_out();
    guest.transmit->add({{UINT64_MAX - 8, 44}}, {});
    guest.driver.kick(VsockGuest::kTransmit);
    expect_broken(guest, "bad descriptor");
    guest.transmit->add({{0x1000, 43}}, {});
    guest.driver.kick(VsockGuest::kTransmit);
    expect_broken(guest, "short buffer");
    guest.transmit->add({{0x1000, 44}}, {{0x1000, 44}});
    guest.driver.kick(VsockGuest::kTransmit);
    expect_broken(guest, "wrong direction");
}

class StarvedVsockTest : public VsockTest {
protected:
    static VsockGuest::Options options() {
        VsockGuest::Options options;
        options.receive_buffers = 0;
        return options;
    }
    StarvedVsockTest() : VsockTest(options()) {}
};

TEST_F(StarvedVsockTest, BadReceiveBuffersStopTheDevice) {
    guest.receive->add({}, {{0x1000, 44}});
    guest.send(from(Operation::data));
    expect_broken(guest, "short buffer");
    guest.receive->add({{0x1000, 4096}}, {});
    guest.send(from(Operation::data));
    expect_broken(guest, "wrong direction");
    guest.receive->add({}, {{UINT64_MAX - 4095, 4096}});
    guest.send(from(Operation::data));
    expect_broken(guest, "bad descriptor");
}

TEST_F(StarvedVsockTest, AGuestThatTakesNothingIsNotListenedToForEver) {
    std::size_t sent = 0;
    for (int i = 0; i < 2000 && guest.room() > 0; ++i) {
        guest.send(from(Operation::data));
        ++sent;
    }
    EXPECT_LT(sent, 400U) << "the replies that wait are bounded";
    std::size_t replies = 0;
    for (int i = 0; i < 100 && replies < sent; ++i) {
        guest.offer_receive_buffers(16);
        guest.run();
        replies += guest.collect(false).size();
    }
    EXPECT_EQ(replies, sent) << "and none is lost";
    EXPECT_TRUE(guest.failures.empty());
}

TEST(StarvedQuickVsock, AGuestThatTakesNoResetKeepsNoProgramOfTheParentWaiting) {
    VsockGuest::Options options = quick();
    options.receive_buffers = 0;
    VsockGuest guest(options);
    auto pair = must(make_socket_pair(SOCK_STREAM));
    guest.device.open_stream(kGuestPort, std::move(pair.first));
    std::string read;
    for (int i = 0; i < 1000 && read.empty(); ++i) {
        ASSERT_TRUE(guest.loop.run_once(std::chrono::milliseconds(5)).ok());
        read = read_all(pair.second.get());
    }
    EXPECT_EQ(read, "EOF");
    // The address is taken until the guest has been told.
    EXPECT_EQ(guest.device.connection_count(), 1U);
    guest.offer_receive_buffers(4);
    guest.run();
    EXPECT_EQ(guest.device.connection_count(), 0U);
}

TEST_F(StarvedVsockTest, StreamsAreBounded) {
    for (std::uint32_t port = 0; port < VsockDevice::kMaxConnections + 10; ++port) {
        guest.send(packet(Operation::request, port, 1));
    }
    EXPECT_EQ(guest.device.connection_count(), VsockDevice::kMaxConnections);
    EXPECT_EQ(guest.host.requests.size(), VsockDevice::kMaxConnections);
}

}  // namespace
}  // namespace casemate::virtio::vsock
