// Streams under random use: whatever the sizes of buffers and writes, whoever closes when, the
// bytes that come out are the bytes that went in, and nobody exceeds its credit.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <random>

#include "virtio/testing/vsock_guest.hpp"

namespace casemate::virtio::vsock {
namespace {

using testing::GuestPacket;
using testing::must;
using testing::VsockGuest;

constexpr std::uint32_t kStreamPort = 5000;

std::uint8_t pattern(std::uint32_t port, bool to_host, std::uint64_t position) {
    return static_cast<std::uint8_t>(position * 31 + (position >> 8U) + std::uint64_t{port} * 7 +
                                     (to_host ? 101U : 0U));
}

Bytes make_bytes(std::uint32_t port, bool to_host, std::uint64_t position, std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = pattern(port, to_host, position + i);
    }
    return bytes;
}

// Stream is one connection as both its ends see it. The guest's end keeps its credit as Linux does.
struct Stream {
    std::uint32_t port = 0;
    UniqueFd host;

    // Bytes written and read at each end.
    std::uint64_t guest_sent = 0;
    std::uint64_t host_received = 0;
    std::uint64_t host_sent = 0;
    std::uint64_t guest_received = 0;

    // The guest's receive buffer, and what is in it, not read by its program.
    std::uint32_t buffer = 0;
    std::uint32_t held = 0;
    std::uint32_t forwarded = 0;
    std::uint32_t told = 0;
    // What the device has told of its own.
    std::uint32_t device_buffer = 0;
    std::uint32_t device_forwarded = 0;

    bool established = false;
    bool guest_ended = false;
    bool host_ended = false;
    bool host_saw_end = false;
    std::uint32_t shutdown_seen = 0;
    bool reset_seen = false;

    [[nodiscard]] std::uint32_t credit() const {
        return device_buffer - (static_cast<std::uint32_t>(guest_sent) - device_forwarded);
    }
};

class World {
public:
    World(std::uint32_t seed, const VsockGuest::Options& options) : guest(options), random_(seed) {}

    std::uint32_t pick(std::uint32_t below) {
        return std::uniform_int_distribution<std::uint32_t>(0, below - 1)(random_);
    }

    // open connects count streams, from the guest and to it in turn.
    void open(std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t port = next_port_++;
            Stream& stream = streams[port];
            stream.port = port;
            stream.buffer = 1U << (8U + pick(11));
            auto pair = must(make_socket_pair(SOCK_STREAM));
            stream.host = std::move(pair.second);
            if (i % 2 == 0) {
                send(stream, Operation::request);
                guest.run();
                guest.device.connection_accepted(guest.host.requests.back().id,
                                                 std::move(pair.first));
                guest.host.requests.clear();
            } else {
                opening_[port] = &stream;
                guest.device.open_stream(port, std::move(pair.first));
            }
            exchange();
        }
    }

    void send(Stream& stream, Operation operation, std::uint32_t flags = 0, ByteView data = {}) {
        while (guest.room() == 0) {
            guest.kick();
            guest.run();
        }
        Header header = testing::packet(operation, stream.port, host_port(stream), kParentCid);
        header.flags = flags;
        header.length = static_cast<std::uint32_t>(data.size());
        header.buffer_size = stream.buffer;
        header.forwarded = stream.forwarded;
        stream.told = stream.forwarded;
        guest.put(header, data);
        guest.kick();
    }

    // exchange lets the device run and the guest's driver take what came.
    void exchange() {
        guest.run();
        for (const GuestPacket& got : guest.collect()) {
            const auto found = streams.find(got.header.destination_port);
            ASSERT_NE(found, streams.end());
            take(found->second, got);
        }
    }

    void take(Stream& stream, const GuestPacket& got) {
        if (got.header.operation == Operation::request) {
            host_port_[stream.port] = got.header.source_port;
            opening_.erase(stream.port);
            stream.established = true;
            stream.device_buffer = got.header.buffer_size;
            send(stream, Operation::response);
            return;
        }
        ASSERT_FALSE(stream.reset_seen) << "nothing may follow a RST";
        stream.device_buffer = got.header.buffer_size;
        stream.device_forwarded = got.header.forwarded;
        ASSERT_LE(stream.device_forwarded, stream.guest_sent);
        switch (got.header.operation) {
            case Operation::response:
                stream.established = true;
                break;
            case Operation::data: {
                ASSERT_EQ(stream.shutdown_seen & kShutdownSend, 0U);
                ASSERT_LE(stream.held + got.payload.size(), stream.buffer) << "beyond its credit";
                ASSERT_EQ(got.payload, make_bytes(stream.port, false, stream.guest_received,
                                                  got.payload.size()));
                stream.guest_received += got.payload.size();
                stream.held += static_cast<std::uint32_t>(got.payload.size());
                break;
            }
            case Operation::credit_request:
                send(stream, Operation::credit_update);
                break;
            case Operation::shutdown:
                stream.shutdown_seen |= got.header.flags;
                break;
            case Operation::reset:
                stream.reset_seen = true;
                break;
            default:
                break;
        }
    }

    void guest_writes(Stream& stream, std::uint32_t most) {
        const std::uint32_t size = std::min({most, stream.credit(), kMaxPayload});
        if (!stream.established || stream.guest_ended || size == 0) {
            return;
        }
        const Bytes bytes = make_bytes(stream.port, true, stream.guest_sent, size);
        stream.guest_sent += size;
        send(stream, Operation::data, 0, bytes);
    }
    void guest_reads(Stream& stream, std::uint32_t most) {
        const std::uint32_t size = std::min(most, stream.held);
        stream.held -= size;
        stream.forwarded += size;
        if (size > 0 && !stream.reset_seen && stream.forwarded - stream.told >= stream.buffer / 2) {
            send(stream, Operation::credit_update);
        }
    }
    void host_writes(Stream& stream, std::uint32_t most) {
        if (stream.host_ended) {
            return;
        }
        const Bytes bytes = make_bytes(stream.port, false, stream.host_sent, most);
        const ssize_t wrote =
            ::send(stream.host.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        stream.host_sent += wrote > 0 ? static_cast<std::uint64_t>(wrote) : 0;
    }
    void host_reads(Stream& stream, std::uint32_t most) {
        const ssize_t got = ::recv(stream.host.get(), scratch_.data(),
                                   std::min<std::size_t>(most, scratch_.size()), MSG_DONTWAIT);
        if (got == 0) {
            stream.host_saw_end = true;
        }
        if (got <= 0) {
            return;
        }
        ASSERT_FALSE(stream.host_saw_end);
        Bytes bytes(scratch_.begin(), scratch_.begin() + got);
        if (!greeted_[stream.port] && host_port_.contains(stream.port)) {
            // The line for the program of the parent, in one piece: nothing else had been written.
            const std::string line = "OK " + std::to_string(host_port_[stream.port]) + "\n";
            greeting_[stream.port] += as_text(bytes);
            std::string& greeting = greeting_[stream.port];
            if (greeting.size() < line.size()) {
                return;
            }
            ASSERT_EQ(greeting.substr(0, line.size()), line);
            const std::string rest = greeting.substr(line.size());
            bytes.assign(rest.begin(), rest.end());
            greeted_[stream.port] = true;
        }
        ASSERT_EQ(bytes, make_bytes(stream.port, true, stream.host_received, bytes.size()));
        stream.host_received += bytes.size();
    }
    void end_guest(Stream& stream) {
        if (stream.established && !stream.guest_ended) {
            stream.guest_ended = true;
            send(stream, Operation::shutdown, kShutdownSend);
        }
    }
    static void end_host(Stream& stream) {
        if (!stream.host_ended) {
            stream.host_ended = true;
            ::shutdown(stream.host.get(), SHUT_WR);
        }
    }

    // act does one random thing to one random stream.
    void act() {
        auto place = streams.begin();
        std::advance(place, pick(static_cast<std::uint32_t>(streams.size())));
        Stream& stream = place->second;
        const std::uint32_t most = 1U << pick(18);
        switch (pick(20)) {
            case 0:
                if (pick(30) == 0) {
                    end_guest(stream);
                }
                break;
            case 1:
                if (pick(30) == 0) {
                    end_host(stream);
                }
                break;
            case 2:
            case 3:
            case 4:
                exchange();
                break;
            case 5:
            case 6:
            case 7:
            case 8:
                guest_reads(stream, most);
                break;
            case 9:
            case 10:
            case 11:
            case 12:
                host_reads(stream, most);
                break;
            case 13:
            case 14:
            case 15:
            case 16:
                host_writes(stream, most);
                break;
            default:
                guest_writes(stream, most);
                break;
        }
    }

    // read_out has both ends of every stream read until both directions have ended.
    void read_out() {
        for (int round = 0; round < 10000 && !all_ended(); ++round) {
            for (auto& [port, stream] : streams) {
                host_reads(stream, 1U << 18U);
                guest_reads(stream, 1U << 18U);
            }
            exchange();
            if (::testing::Test::HasFatalFailure()) {
                return;
            }
        }
    }
    void expect_whole(Stream& stream) {
        EXPECT_TRUE(stream.host_saw_end) << stream.port;
        EXPECT_EQ(stream.host_received, stream.guest_sent) << stream.port;
        EXPECT_EQ(stream.guest_received, stream.host_sent) << stream.port;
        if (!stream.reset_seen) {
            send(stream, Operation::shutdown, kShutdownBoth);
            exchange();
        }
        EXPECT_TRUE(stream.reset_seen) << stream.port;
    }
    // finish ends all streams in order and reads them out.
    void finish() {
        for (auto& [port, stream] : streams) {
            end_host(stream);
            end_guest(stream);
        }
        read_out();
        for (auto& [port, stream] : streams) {
            expect_whole(stream);
        }
        EXPECT_EQ(guest.device.connection_count(), 0U);
        EXPECT_TRUE(guest.failures.empty());
    }
    bool all_ended() {
        return std::all_of(streams.begin(), streams.end(), [](const auto& entry) {
            return entry.second.host_saw_end && (entry.second.shutdown_seen & kShutdownSend) != 0;
        });
    }
    [[nodiscard]] std::uint64_t bytes_moved() const {
        std::uint64_t total = 0;
        for (const auto& [port, stream] : streams) {
            total += stream.host_received + stream.guest_received;
        }
        return total;
    }

    VsockGuest guest;
    std::map<std::uint32_t, Stream> streams;

private:
    [[nodiscard]] std::uint32_t host_port(const Stream& stream) const {
        const auto found = host_port_.find(stream.port);
        return found != host_port_.end() ? found->second : kStreamPort;
    }

    std::mt19937 random_;
    Bytes scratch_ = Bytes(1U << 18U);
    std::uint32_t next_port_ = 1;
    std::map<std::uint32_t, Stream*> opening_;
    std::map<std::uint32_t, std::uint32_t> host_port_;
    std::map<std::uint32_t, std::string> greeting_;
    std::map<std::uint32_t, bool> greeted_;
};

class RandomStreams : public ::testing::TestWithParam<std::uint32_t> {};

VsockGuest::Options options_of(std::uint32_t seed) {
    constexpr std::uint32_t kSizes[] = {300, 700, 1500, 4096};
    VsockGuest::Options options;
    options.receive_buffer = kSizes[seed % 4];
    options.receive_buffers = 8 + (seed * 37) % 240;
    options.features = kFeatureVersion1 | (seed % 3 == 0 ? 0 : kFeatureEventIndex);
    return options;
}

TEST_P(RandomStreams, GiveBackTheBytesTheyWereGiven) {
    World world(GetParam(), options_of(GetParam()));
    world.open(12);
    for (int step = 0; step < 3000; ++step) {
        world.act();
        ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    }
    world.finish();
    EXPECT_GT(world.bytes_moved(), 10'000U);
}

TEST_P(RandomStreams, SurviveAResetInTheMiddle) {
    World world(GetParam() + 1000, options_of(GetParam()));
    for (int life = 0; life < 3; ++life) {
        world.open(8);
        for (int step = 0; step < 500; ++step) {
            world.act();
            ASSERT_FALSE(HasFatalFailure()) << "step " << step;
        }
        world.guest.bring_up();
        // What had been taken from the guest still comes out, in order, and then the end.
        for (auto& [port, stream] : world.streams) {
            for (int i = 0; i < 100 && !stream.host_saw_end; ++i) {
                world.host_reads(stream, 1U << 18U);
                ASSERT_FALSE(HasFatalFailure());
                world.guest.run();
            }
            EXPECT_TRUE(stream.host_saw_end);
            EXPECT_LE(stream.host_received, stream.guest_sent);
        }
        EXPECT_EQ(world.guest.device.connection_count(), 0U);
        static_cast<void>(world.guest.collect());
        world.streams.clear();
    }
    world.open(4);
    world.finish();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomStreams, ::testing::Range(0U, 12U));

TEST(ManyStreams, AThousandAreServedTogether) {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 2200) {
        GTEST_SKIP() << "needs 2,200 descriptors, the hard limit is " << limit.rlim_max;
    }
    limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, 2200);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);

    World world(7, VsockGuest::Options{});
    world.open(1000);
    EXPECT_EQ(world.guest.device.connection_count(), 1000U);
    for (auto& [port, stream] : world.streams) {
        world.host_writes(stream, 3000);
        world.guest_writes(stream, 3000);
    }
    world.exchange();
    for (int step = 0; step < 3000; ++step) {
        world.act();
        ASSERT_FALSE(::testing::Test::HasFatalFailure());
    }
    world.finish();
}

// A stream with endless bytes must not keep another from its turn.
TEST(ManyStreams, OneThatNeverPausesLeavesTheOthersTheirTurn) {
    World world(3, VsockGuest::Options{});
    world.open(2);
    Stream& busy = world.streams.at(1);
    Stream& quiet = world.streams.at(2);
    busy.buffer = 1U << 30U;
    world.send(busy, Operation::credit_update);
    world.exchange();
    for (int i = 0; i < 20; ++i) {
        world.host_writes(busy, 1U << 18U);
    }
    world.host_writes(quiet, 100);
    world.exchange();
    EXPECT_EQ(quiet.guest_received, 100U);
    world.finish();
}

}  // namespace
}  // namespace casemate::virtio::vsock
