#include "enclave/console.hpp"

#include <sys/socket.h>

#include "base/socket.hpp"
#include "enclave/broker.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using testing::HasSubstr;

std::string content(const Ring& ring) {
    std::string text;
    for (std::uint64_t at = ring.begin(); at < ring.end();) {
        const ByteView part = ring.view(at);
        text += as_text(part);
        at += part.size();
    }
    return text;
}

TEST(Ring, KeepsTheLastBytes) {
    Ring ring(8);
    ring.append(as_bytes("abc"));
    EXPECT_EQ(content(ring), "abc");
    ring.append(as_bytes("defgh"));
    EXPECT_EQ(content(ring), "abcdefgh");
    ring.append(as_bytes("ij"));
    EXPECT_EQ(content(ring), "cdefghij");
    ring.append(as_bytes("0123456789abc"));
    EXPECT_EQ(content(ring), "56789abc");
    EXPECT_EQ(ring.end(), 23U);
    EXPECT_TRUE(ring.view(ring.end()).empty());
}

class ConsoleTest : public testing::Test {
protected:
    ConsoleTest() : loop_(EventLoop::create().value()), console_(loop_) {}

    // Everything there is to read without waiting.
    std::string take(int fd) {
        std::string text;
        Bytes buffer(65536);
        while (true) {
            static_cast<void>(loop_.run_once(std::chrono::milliseconds(0)));
            const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (size <= 0) {
                return text;
            }
            text.append(as_text(ByteView(buffer).first(static_cast<std::size_t>(size))));
        }
    }

    UniqueFd reader() {
        auto sockets = make_socket_pair(SOCK_STREAM);
        EXPECT_TRUE(console_.add_reader(std::move(sockets->first)));
        return std::move(sockets->second);
    }

    EventLoop loop_;
    Console console_;
};

TEST_F(ConsoleTest, EachReaderGetsEverythingThenFollows) {
    console_.append(as_bytes("boot\n"));
    const UniqueFd first = reader();
    EXPECT_EQ(take(first.get()), "boot\n");
    console_.append(as_bytes("more\n"));
    const UniqueFd second = reader();
    EXPECT_EQ(take(first.get()), "more\n");
    EXPECT_EQ(take(second.get()), "boot\nmore\n");
}

TEST_F(ConsoleTest, ASlowReaderLosesBytesIsToldAndHoldsUpNobody) {
    const UniqueFd slow = reader();
    const UniqueFd quick = reader();
    const std::string block(65536, 'x');
    std::size_t received = 0;
    for (std::size_t i = 0; i < 4 * kConsoleRing / block.size(); ++i) {
        console_.append(as_bytes(block));
        received += take(quick.get()).size();
    }
    EXPECT_EQ(received, 4 * kConsoleRing);
    const std::string late = take(slow.get());
    EXPECT_THAT(late, HasSubstr("bytes of the console were lost here"));
    EXPECT_LT(late.size(), 4 * kConsoleRing);
    EXPECT_GE(late.size(), kConsoleRing);
}

TEST_F(ConsoleTest, TheEndClosesReadersThatHaveEverything) {
    const UniqueFd socket = reader();
    console_.append(as_bytes("last"));
    console_.finish();
    EXPECT_EQ(take(socket.get()), "last");
    EXPECT_FALSE(console_.has_readers());
}

TEST_F(ConsoleTest, AReaderThatLeavesIsForgotten) {
    UniqueFd socket = reader();
    socket.reset();
    static_cast<void>(loop_.run_once(std::chrono::milliseconds(0)));
    EXPECT_FALSE(console_.has_readers());
}

TEST_F(ConsoleTest, ReadersAreLimited) {
    std::vector<UniqueFd> readers;
    for (std::size_t i = 0; i < kMaxConsoleReaders; ++i) {
        readers.push_back(reader());
    }
    auto sockets = make_socket_pair(SOCK_STREAM);
    EXPECT_FALSE(console_.add_reader(std::move(sockets->first)));
}

TEST(ConnectLine, IsExactlyTheVerbAndAPort) {
    EXPECT_EQ(parse_connect_line("CONNECT 0"), 0U);
    EXPECT_EQ(parse_connect_line("CONNECT 4294967295"), 4294967295U);
    for (const char* line :
         {"", "CONNECT", "CONNECT ", "connect 1", "CONNECT 1 ", "CONNECT  1", "CONNECT +1",
          "CONNECT -1", "CONNECT 01", "CONNECT 0x1", "CONNECT 4294967296", "CONNECT 1\r"}) {
        EXPECT_FALSE(parse_connect_line(line)) << line;
    }
}

}  // namespace
}  // namespace casemate::enclave
