// The software host as its supervisor sees it: hello, Start with memory, NSM and console, streams,
// each kind of end. Inside runs a stand-in for the VMM, so no guest has to boot.
#include "softhost/software_host.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "enclave/paths.hpp"
#include "machine/control.hpp"
#include "softhost/error.hpp"
#include "support/paths.hpp"

namespace casemate::softhost {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMemory = 256ULL << 20U;
constexpr std::uint64_t kEchoed = 16ULL << 20U;
constexpr std::uint32_t kEchoPort = 7;
constexpr std::uint32_t kCrashPort = 9;

template <class T>
T take(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message().c_str());
        std::abort();
    }
    return std::move(result).value();
}

class SoftwareHostTest : public testing::Test {
protected:
    void SetUp() override {
        std::signal(SIGPIPE, SIG_IGN);
        auto parts =
            find_parts(test::binary_dir() + "/tests/softhost", take(enclave::find_paths()).kernel);
        if (!parts) {
            GTEST_SKIP() << parts.error().message();
        }
        options_.parts = take(std::move(parts));
        options_.memory_bytes = kMemory;
        loop_.emplace(take(EventLoop::create()));
        make_memory();
    }

    // Guest memory as casemate-nsm would leave it: the stand-in expects every loaded page to begin
    // with its own address.
    void make_memory() {
        memory_ = take(make_memory_file("guest", kMemory));
        loaded_ = {{1ULL << 20U, 20ULL << 20U}, {200ULL << 20U, 4096}};
        for (const machine::GuestRange& range : loaded_) {
            for (std::uint64_t at = range.address; at < range.address + range.size; at += 4096) {
                const ByteView page(reinterpret_cast<const std::uint8_t*>(&at), sizeof(at));
                ASSERT_TRUE(write_all_at(memory_.get(), at, page).ok());
            }
        }
        options_.image = memory_.get();
    }

    void start_host() {
        FdPair control = take(make_socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        control_ = std::move(control.first);
        SoftwareHost::Handlers handlers;
        handlers.ready = [this](std::chrono::milliseconds took) { ready_ = took; };
        handlers.log = [this](std::string_view line) { log_ += std::string(line) + "\n"; };
        handlers.ended = [this](Result<> result) { ended_ = std::move(result); };
        host_ = take(
            SoftwareHost::start(*loop_, options_, std::move(control.second), std::move(handlers)));
    }

    void send_start() {
        FdPair nsm = take(make_socket_pair(SOCK_SEQPACKET | SOCK_NONBLOCK));
        FdPair console = take(make_pipe(O_NONBLOCK));
        machine::Start start;
        start.memory_bytes = kMemory;
        start.vcpu_count = 1;
        start.pinned_cpus = {0};
        start.guest_cid = 16;
        start.console = true;
        start.image.loaded = loaded_;
        const std::array<int, 3> fds{memory_.get(), nsm.second.get(), console.second.get()};
        ASSERT_TRUE(
            send_packet(control_.get(), machine::encode(machine::SupervisorMessage(start)), fds)
                .ok());
        nsm_ = std::move(nsm.first);
        console_ = std::move(console.first);
    }

    // Starts a host and brings its stand-in up to Started.
    void bring_up() {
        start_host();
        send_start();
        ASSERT_EQ(as_text(receive(nsm_.get()).bytes), "who are you") << log_;
        ASSERT_TRUE(send_packet(nsm_.get(), as_bytes("casemate-nsm")).ok());
        expect_message<machine::Started>();
    }

    UniqueFd open_stream(std::uint32_t port) {
        FdPair stream = take(make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK));
        const std::array<int, 1> fds{stream.second.get()};
        const machine::SupervisorMessage open(machine::OpenStream{port});
        EXPECT_TRUE(send_packet(control_.get(), machine::encode(open), fds).ok());
        return std::move(stream.first);
    }

    bool run_until(const std::function<bool()>& condition, std::chrono::seconds limit = 90s) {
        const auto until = std::chrono::steady_clock::now() + limit;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > until || !loop_->run_once(5ms)) {
                return false;
            }
        }
        return true;
    }

    Packet receive(int socket) {
        Packet packet;
        EXPECT_TRUE(run_until([&] {
            auto got = receive_packet(socket, machine::kMaxControlPacket);
            if (got) {
                packet = std::move(got).value();
            }
            return got.ok();
        })) << log_;
        return packet;
    }

    template <class Message>
    Message expect_message() {
        const Packet packet = receive(control_.get());
        const auto message = machine::decode_vmm_message(packet.bytes);
        const Message* wanted = message ? std::get_if<Message>(&*message) : nullptr;
        EXPECT_NE(wanted, nullptr) << to_hex(packet.bytes) << log_;
        return wanted == nullptr ? Message{} : *wanted;
    }

    std::string read_to_end(int fd) {
        std::string all;
        std::array<std::uint8_t, 65536> buffer{};
        EXPECT_TRUE(run_until([&] {
            auto got = read_some(fd, buffer);
            if (got) {
                all += as_text(ByteView(buffer).first(*got));
            }
            return got.ok() ? *got == 0 : !got.error().is(Errno{EAGAIN});
        }));
        return all;
    }

    // Sends total bytes through an echoing stream and gives how many came back as they went.
    std::uint64_t echo(UniqueFd stream, std::uint64_t total) {
        std::uint64_t sent = 0;
        std::uint64_t same = 0;
        Bytes buffer(65536);
        const auto letter = [](std::uint64_t at) {
            return static_cast<std::uint8_t>((at * 0x9e37'79b9'7f4a'7c15ULL) >> 56U);
        };
        EXPECT_TRUE(run_until([&] {
            const std::size_t want = std::min<std::uint64_t>(buffer.size(), total - sent);
            for (std::size_t i = 0; i < want; ++i) {
                buffer[i] = letter(sent + i);
            }
            const ssize_t put = ::send(stream.get(), buffer.data(), want, MSG_DONTWAIT);
            sent += put > 0 ? static_cast<std::uint64_t>(put) : 0;
            const ssize_t got = ::recv(stream.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            for (ssize_t i = 0; i < got && buffer[static_cast<std::size_t>(i)] == letter(same);
                 ++i) {
                ++same;
            }
            return same == total || got == 0;
        }));
        return same;
    }

    LaunchOptions options_;
    std::vector<machine::GuestRange> loaded_;
    std::optional<EventLoop> loop_;
    std::optional<std::chrono::milliseconds> ready_;
    std::optional<Result<>> ended_;
    std::string log_;
    UniqueFd memory_;
    UniqueFd control_;
    UniqueFd nsm_;
    UniqueFd console_;
    std::unique_ptr<SoftwareHost> host_;
};

TEST_F(SoftwareHostTest, carries_start_streams_console_and_stop) {
    bring_up();
    ASSERT_TRUE(ready_.has_value());
    std::printf("software host ready after %lld ms\n", static_cast<long long>(ready_->count()));
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(echo(open_stream(kEchoPort), kEchoed), kEchoed);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - before;
    std::printf("echoed %.0f MB/s\n", static_cast<double>(kEchoed) / 1e6 / took.count());
    const machine::SupervisorMessage stop(machine::Stop{});
    ASSERT_TRUE(send_packet(control_.get(), machine::encode(stop)).ok());
    const auto exited = expect_message<machine::Exited>();
    EXPECT_EQ(exited.reason, machine::ExitReason::stopped);
    EXPECT_EQ(exited.detail, "as asked");
    EXPECT_EQ(read_to_end(console_.get()),
              "memory right, kvm there, nsm says casemate-nsm\nlast words\n");
    ASSERT_TRUE(run_until([this] { return ended_.has_value(); }));
    EXPECT_TRUE(ended_->ok()) << ended_->error().message();
    EXPECT_TRUE(receive(control_.get()).end_of_stream);
}

TEST_F(SoftwareHostTest, a_vmm_that_dies_is_told_as_exited) {
    bring_up();
    const UniqueFd stream = open_stream(kCrashPort);
    const auto exited = expect_message<machine::Exited>();
    EXPECT_EQ(exited.reason, machine::ExitReason::failed);
    EXPECT_EQ(exited.detail, "casemate-vmm ended with exit status 3");
    ASSERT_TRUE(run_until([this] { return ended_.has_value(); }));
    EXPECT_TRUE(ended_->ok());
}

TEST_F(SoftwareHostTest, a_qemu_that_dies_is_told_as_exited) {
    bring_up();
    ASSERT_EQ(::kill(host_->pid(), SIGKILL), 0);
    const auto exited = expect_message<machine::Exited>();
    EXPECT_EQ(exited.reason, machine::ExitReason::failed);
    ASSERT_TRUE(run_until([this] { return ended_.has_value(); }));
    EXPECT_TRUE(ended_->error().is(SofthostErrc::ended_early));
}

TEST_F(SoftwareHostTest, an_image_outside_of_memory_is_refused) {
    loaded_.push_back({kMemory, 4096});
    start_host();
    send_start();
    const auto exited = expect_message<machine::Exited>();
    EXPECT_THAT(exited.detail, testing::HasSubstr("expected a page-aligned range of guest memory"));
}

TEST_F(SoftwareHostTest, one_that_ends_at_once_is_started_twice) {
    const TemporaryDirectory directory = take(TemporaryDirectory::create());
    const std::string starts = directory.path() + "/starts";
    options_.parts.qemu = directory.path() + "/qemu";
    const std::string script = "#!/bin/sh\necho start >>" + starts + "\necho no such machine\n";
    ASSERT_TRUE(write_file_atomically(options_.parts.qemu, as_bytes(script), 0700).ok());
    start_host();
    send_start();
    const auto exited = expect_message<machine::Exited>();
    EXPECT_EQ(exited.reason, machine::ExitReason::failed);
    EXPECT_THAT(exited.detail, testing::HasSubstr("no such machine"));
    EXPECT_EQ(as_text(take(read_file(starts, 4096))), "start\nstart\n");
    ASSERT_TRUE(run_until([this] { return ended_.has_value(); }));
    EXPECT_TRUE(ended_->error().is(SofthostErrc::not_ready));
}

TEST_F(SoftwareHostTest, dropping_it_ends_qemu) {
    start_host();
    const pid_t pid = host_->pid();
    ASSERT_EQ(::kill(pid, 0), 0);
    host_.reset();
    EXPECT_NE(::kill(pid, 0), 0);
}

}  // namespace
}  // namespace casemate::softhost
