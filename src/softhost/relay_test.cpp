#include "softhost/relay.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <numeric>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {
namespace {

using namespace std::chrono_literals;

template <class T>
T take(Result<T> result) {
    EXPECT_TRUE(result.ok());
    return std::move(result).value();
}

// A pseudo-random byte of a stream: what position i of stream `seed` holds.
std::uint8_t pattern(std::uint64_t i, std::uint64_t seed) {
    const std::uint64_t mixed = (i + seed * 977) * 0x9e37'79b9'7f4a'7c15ULL;
    return static_cast<std::uint8_t>(mixed >> 56U);
}

// Both relays in one loop. `supervisor` and `vmm` are the far ends of the two control sockets.
class RelayTest : public testing::Test {
protected:
    void SetUp() override {
        std::signal(SIGPIPE, SIG_IGN);
        raise_descriptor_limit();
        loop_.emplace(take(EventLoop::create()));
        FdPair port = take(make_socket_pair(SOCK_STREAM));
        outside_ = make(Relay::Side::outside, std::move(port.first), outside_ended_);
        inside_ = make(Relay::Side::inside, std::move(port.second), inside_ended_);
        supervisor_ = attach(*outside_);
        vmm_ = attach(*inside_);
    }

    static void raise_descriptor_limit() {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }

    std::unique_ptr<Relay> make(Relay::Side side, UniqueFd far, std::optional<Result<>>& ended) {
        Relay::Handlers handlers;
        handlers.hello = [this](const Hello& hello) { hello_ = hello; };
        handlers.failure = [this](const std::string& sentence) { failure_ = sentence; };
        handlers.ended = [&ended](Result<> result) { ended = std::move(result); };
        return take(Relay::create(*loop_, side, std::move(far), std::move(handlers)));
    }

    static UniqueFd attach(Relay& relay) {
        FdPair control = take(make_socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        EXPECT_TRUE(relay.attach_control(std::move(control.first)).ok());
        return std::move(control.second);
    }

    // Runs the loop until the condition holds; false after that many seconds without it.
    bool run_until(const std::function<bool()>& condition, std::chrono::seconds limit = 60s) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > until || !loop_->run_once(10ms)) {
                return false;
            }
        }
        return true;
    }

    Packet receive(int socket) {
        Packet packet;
        EXPECT_TRUE(run_until([&] {
            auto got = receive_packet(socket, 65536);
            if (got) {
                packet = std::move(got).value();
            }
            return got.ok();
        }));
        return packet;
    }

    // Sends a packet with one end of a new stream and gives its two far ends.
    FdPair open_stream(int type = SOCK_STREAM) {
        FdPair local = take(make_socket_pair(type | SOCK_NONBLOCK));
        const std::array<int, 1> fds{local.second.get()};
        EXPECT_TRUE(send_packet(supervisor_.get(), as_bytes("stream"), fds).ok());
        local.second.reset();
        Packet packet = receive(vmm_.get());
        EXPECT_EQ(packet.fds.size(), 1U);
        EXPECT_TRUE(set_nonblocking(packet.fds.at(0).get(), true).ok());
        return {std::move(local.first), std::move(packet.fds.at(0))};
    }

    // Reads until the end of the stream; an error ends it too, and is told by errno_.
    Bytes read_to_end(int fd) {
        Bytes all;
        std::array<std::uint8_t, 65536> buffer{};
        run_until([&] {
            while (true) {
                auto got = read_some(fd, buffer);
                if (!got) {
                    broken_ = !got.error().is(Errno{EAGAIN});
                    return broken_;
                }
                if (*got == 0) {
                    return true;
                }
                all.insert(all.end(), buffer.begin(),
                           buffer.begin() + static_cast<std::ptrdiff_t>(*got));
            }
        });
        return all;
    }

    static void put(int fd, std::string_view text) {
        EXPECT_TRUE(write_all(fd, as_bytes(text)).ok());
    }

    std::optional<EventLoop> loop_;
    std::optional<Result<>> outside_ended_;
    std::optional<Result<>> inside_ended_;
    std::optional<Hello> hello_;
    std::string failure_;
    bool broken_ = false;
    std::unique_ptr<Relay> outside_;
    std::unique_ptr<Relay> inside_;
    UniqueFd supervisor_;
    UniqueFd vmm_;
};

TEST_F(RelayTest, control_packets_keep_their_boundaries) {
    for (int i = 0; i < 500; ++i) {
        const Bytes packet(static_cast<std::size_t>(1 + i * 65), static_cast<std::uint8_t>(i));
        ASSERT_TRUE(send_packet(supervisor_.get(), packet).ok());
        EXPECT_EQ(receive(vmm_.get()).bytes, packet);
        ASSERT_TRUE(send_packet(vmm_.get(), packet).ok());
        EXPECT_EQ(receive(supervisor_.get()).bytes, packet);
    }
}

TEST_F(RelayTest, hello_and_failure_reach_the_outside) {
    inside_->send_hello({kProtocolVersion, true, 7, "ready"});
    ASSERT_TRUE(run_until([&] { return hello_.has_value(); }));
    EXPECT_EQ(hello_->sentence, "ready");
    inside_->send_failure("the disk is gone");
    ASSERT_TRUE(run_until([&] { return outside_ended_.has_value(); }));
    EXPECT_EQ(failure_, "the disk is gone");
    EXPECT_TRUE(outside_ended_->error().is(SofthostErrc::ended_early));
    EXPECT_TRUE(outside_->take_control().valid());
}

TEST_F(RelayTest, start_packet_carries_memory_nsm_and_console) {
    UniqueFd memory = take(make_memory_file("memory", 4096));
    FdPair nsm = take(make_socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
    FdPair console = take(make_pipe(O_NONBLOCK));
    const std::array<int, 3> fds{memory.get(), nsm.second.get(), console.second.get()};
    ASSERT_TRUE(send_packet(supervisor_.get(), as_bytes("start"), fds).ok());
    nsm.second.reset();
    console.second.reset();
    Packet start = receive(vmm_.get());
    EXPECT_EQ(as_text(start.bytes), "start");
    ASSERT_EQ(start.fds.size(), 2U) << "guest memory stays behind";

    ASSERT_TRUE(send_packet(start.fds[0].get(), as_bytes("request")).ok());
    EXPECT_EQ(as_text(receive(nsm.first.get()).bytes), "request");
    ASSERT_TRUE(send_packet(nsm.first.get(), as_bytes("response")).ok());
    ASSERT_TRUE(set_nonblocking(start.fds[0].get(), true).ok());
    EXPECT_EQ(as_text(receive(start.fds[0].get()).bytes), "response");

    put(start.fds[1].get(), "Linux version");
    start.fds.clear();
    EXPECT_EQ(as_text(read_to_end(console.first.get())), "Linux version");
    EXPECT_TRUE(receive(nsm.first.get()).end_of_stream);
    EXPECT_TRUE(
        run_until([&] { return outside_->channel_count() == 1 && inside_->channel_count() == 1; }));
}

TEST_F(RelayTest, half_close_leaves_the_other_direction_open) {
    FdPair stream = open_stream();
    put(stream.first.get(), "question");
    ASSERT_EQ(::shutdown(stream.first.get(), SHUT_WR), 0);
    EXPECT_EQ(as_text(read_to_end(stream.second.get())), "question");
    EXPECT_EQ(inside_->channel_count(), 2U);
    put(stream.second.get(), "answer");
    ASSERT_EQ(::shutdown(stream.second.get(), SHUT_WR), 0);
    EXPECT_EQ(as_text(read_to_end(stream.first.get())), "answer");
    EXPECT_TRUE(
        run_until([&] { return outside_->channel_count() == 1 && inside_->channel_count() == 1; }));
}

TEST_F(RelayTest, whole_close_is_seen_by_an_idle_peer) {
    FdPair stream = open_stream();
    put(stream.first.get(), "last words");
    stream.first.reset();
    EXPECT_EQ(as_text(read_to_end(stream.second.get())), "last words");
    pollfd state{stream.second.get(), POLLIN, 0};
    ::poll(&state, 1, 0);
    EXPECT_TRUE((state.revents & POLLHUP) != 0) << "writing would be in vain";
    EXPECT_TRUE(run_until([&] { return inside_->channel_count() == 1; }));
}

TEST_F(RelayTest, reset_drops_what_is_on_its_way) {
    FdPair stream = open_stream();
    put(stream.second.get(), "never read");
    ASSERT_TRUE(run_until([&] {
        pollfd state{stream.first.get(), POLLIN, 0};
        return ::poll(&state, 1, 0) == 1;
    }));
    // A unix socket closed with bytes unread is a reset to its peer.
    stream.first.reset();
    read_to_end(stream.second.get());
    EXPECT_TRUE(
        run_until([&] { return outside_->channel_count() == 1 && inside_->channel_count() == 1; }));
    EXPECT_FALSE(outside_ended_.has_value());
}

TEST_F(RelayTest, slow_reader_holds_up_no_other) {
    FdPair slow = open_stream();
    FdPair quick = open_stream();
    const Bytes block(65536, 'x');
    // Far more than the window and every socket buffer hold, until nothing moves any more.
    int refused = 0;
    ASSERT_TRUE(run_until([&] {
        const ssize_t sent =
            ::send(slow.first.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        refused = sent < 0 ? refused + 1 : 0;
        return refused == 20;
    }));
    put(quick.first.get(), "still here");
    ASSERT_EQ(::shutdown(quick.first.get(), SHUT_WR), 0);
    EXPECT_EQ(as_text(read_to_end(quick.second.get())), "still here");
    slow.first.reset();
    const Bytes rest = read_to_end(slow.second.get());
    EXPECT_GE(rest.size(), kWindow);
}

TEST_F(RelayTest, hundred_megabytes_each_way_arrive_whole) {
    constexpr std::uint64_t kTotal = 100 << 20;
    FdPair stream = open_stream();
    const std::array<int, 2> ends{stream.first.get(), stream.second.get()};
    std::array<std::uint64_t, 2> sent{};
    std::array<std::uint64_t, 2> got{};
    std::array<bool, 2> good{true, true};
    Bytes buffer(65536);
    const auto step = [&](std::size_t from) {
        const std::size_t want = std::min<std::uint64_t>(buffer.size(), kTotal - sent.at(from));
        for (std::size_t i = 0; i < want; ++i) {
            buffer[i] = pattern(sent.at(from) + i, from);
        }
        const ssize_t put = ::send(ends.at(from), buffer.data(), want, MSG_DONTWAIT);
        sent.at(from) += put > 0 ? static_cast<std::uint64_t>(put) : 0;
        const ssize_t took = ::recv(ends.at(1 - from), buffer.data(), buffer.size(), MSG_DONTWAIT);
        for (ssize_t i = 0; i < took; ++i) {
            good.at(from) =
                good.at(from) && buffer[static_cast<std::size_t>(i)] ==
                                     pattern(got.at(from) + static_cast<std::uint64_t>(i), from);
        }
        got.at(from) += took > 0 ? static_cast<std::uint64_t>(took) : 0;
    };
    ASSERT_TRUE(run_until([&] {
        step(0);
        step(1);
        return got[0] == kTotal && got[1] == kTotal;
    })) << got[0]
        << " " << got[1];
    EXPECT_TRUE(good[0] && good[1]);
}

TEST_F(RelayTest, fifteen_hundred_streams_at_once) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 8000) {
        GTEST_SKIP() << "needs 8,000 descriptors; the limit is " << limit.rlim_cur;
    }
    std::vector<FdPair> streams;
    for (int i = 0; i < 1500; ++i) {
        streams.push_back(open_stream());
    }
    EXPECT_EQ(inside_->channel_count(), 1501U);
    for (std::size_t i = 0; i < streams.size(); ++i) {
        put(streams[i].first.get(), "to " + std::to_string(i));
        put(streams[i].second.get(), "from " + std::to_string(i));
    }
    for (const FdPair& stream : streams) {
        ASSERT_EQ(::shutdown(stream.first.get(), SHUT_WR), 0);
        ASSERT_EQ(::shutdown(stream.second.get(), SHUT_WR), 0);
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
        EXPECT_EQ(as_text(read_to_end(streams[i].second.get())), "to " + std::to_string(i));
        EXPECT_EQ(as_text(read_to_end(streams[i].first.get())), "from " + std::to_string(i));
    }
    EXPECT_TRUE(
        run_until([&] { return outside_->channel_count() == 1 && inside_->channel_count() == 1; }));
}

TEST_F(RelayTest, end_of_the_vmm_comes_after_its_last_bytes) {
    FdPair stream = open_stream();
    put(stream.second.get(), "farewell");
    ASSERT_TRUE(send_packet(vmm_.get(), as_bytes("exited")).ok());
    // A process that ends closes all it had.
    vmm_.reset();
    stream.second.reset();
    ASSERT_TRUE(run_until([&] { return inside_ended_.has_value() && outside_ended_.has_value(); }));
    EXPECT_TRUE(inside_ended_->ok());
    EXPECT_TRUE(outside_ended_->ok());
    EXPECT_EQ(as_text(receive(supervisor_.get()).bytes), "exited");
    EXPECT_EQ(as_text(read_to_end(stream.first.get())), "farewell");
}

TEST_F(RelayTest, supervisor_letting_go_ends_the_outside) {
    supervisor_.reset();
    ASSERT_TRUE(run_until([&] { return outside_ended_.has_value(); }));
    EXPECT_TRUE(outside_ended_->ok());
    outside_.reset();
    ASSERT_TRUE(run_until([&] { return inside_ended_.has_value(); }));
    EXPECT_TRUE(inside_ended_->error().is(SofthostErrc::ended_early));
}

// One relay, outside, against frames that no relay would send.
class HostileFrameTest : public RelayTest {
protected:
    void SetUp() override {
        RelayTest::SetUp();
        inside_.reset();
        FdPair port = take(make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
        outside_ = make(Relay::Side::outside, std::move(port.first), outside_ended_);
        supervisor_ = attach(*outside_);
        port_ = std::move(port.second);
        outside_ended_.reset();
    }

    // Opens channel 1 and waits until the port has said so.
    void open_channel() {
        stream_ = take(make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
        const std::array<int, 1> fds{stream_.second.get()};
        ASSERT_TRUE(send_packet(supervisor_.get(), as_bytes("stream"), fds).ok());
        stream_.second.reset();
        ASSERT_TRUE(run_until([&] { return outside_->channel_count() == 2; }));
    }

    void expect_refused(ByteView wire, SofthostErrc code) {
        ASSERT_TRUE(write_all(port_.get(), wire).ok());
        ASSERT_TRUE(run_until([&] { return outside_ended_.has_value(); }));
        ASSERT_FALSE(outside_ended_->ok());
        EXPECT_TRUE(outside_ended_->error().is(code)) << outside_ended_->error().message();
    }

    static Bytes frame(FrameKind kind, std::uint32_t channel, ByteView payload = {}) {
        Bytes wire;
        put_frame({kind, channel, payload}, wire);
        return wire;
    }

    UniqueFd port_;
    FdPair stream_;
};

TEST_F(HostileFrameTest, malformed) {
    expect_refused(Bytes(64, 0xff), SofthostErrc::bad_frame);
}

TEST_F(HostileFrameTest, unknown_channel) {
    expect_refused(frame(FrameKind::data, 77, as_bytes("x")), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, channel_already_closed) {
    open_channel();
    Bytes wire = frame(FrameKind::gone, 1);
    const Bytes late = frame(FrameKind::data, 1, as_bytes("x"));
    wire.insert(wire.end(), late.begin(), late.end());
    expect_refused(wire, SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, more_than_the_credit) {
    open_channel();
    Bytes wire;
    for (std::uint32_t sent = 0; sent <= 2 * kWindow; sent += kMaxPayload) {
        const Bytes one = frame(FrameKind::data, 1, Bytes(kMaxPayload));
        wire.insert(wire.end(), one.begin(), one.end());
    }
    // Nobody reads stream_, so what its socket buffer holds is all that may be credited.
    UniqueFd port = std::move(port_);
    std::size_t put = 0;
    ASSERT_TRUE(run_until([&] {
        const ssize_t now = ::send(port.get(), &wire[put], wire.size() - put, MSG_NOSIGNAL);
        put += now > 0 ? static_cast<std::size_t>(now) : 0;
        put = put == wire.size() ? 0 : put;
        return outside_ended_.has_value();
    }));
    EXPECT_TRUE(outside_ended_->error().is(SofthostErrc::protocol));
}

TEST_F(HostileFrameTest, credit_beyond_the_window) {
    expect_refused(frame(FrameKind::credit, 0, Bytes{1, 0, 0, 0}), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, data_after_finish) {
    open_channel();
    Bytes wire = frame(FrameKind::finish, 1);
    const Bytes late = frame(FrameKind::data, 1, as_bytes("x"));
    wire.insert(wire.end(), late.begin(), late.end());
    expect_refused(wire, SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, empty_data) {
    open_channel();
    expect_refused(frame(FrameKind::data, 1), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, packet_on_a_stream) {
    open_channel();
    expect_refused(frame(FrameKind::packet, 1, Bytes{0, 'x'}), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, bytes_on_the_control_channel) {
    expect_refused(frame(FrameKind::data, 0, as_bytes("x")), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, inside_opens_a_channel) {
    expect_refused(frame(FrameKind::packet, 0, Bytes{1, 1, 2, 0, 0, 0, 'x'}),
                   SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, last_frame_with_payload) {
    open_channel();
    expect_refused(frame(FrameKind::reset, 1, as_bytes("x")), SofthostErrc::protocol);
}

TEST_F(HostileFrameTest, port_closes) {
    port_.reset();
    ASSERT_TRUE(run_until([&] { return outside_ended_.has_value(); }));
    EXPECT_TRUE(outside_ended_->error().is(SofthostErrc::ended_early));
}

}  // namespace
}  // namespace casemate::softhost
