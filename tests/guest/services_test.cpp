// The services of guest-peer over socket pairs: a test that fails in an enclave is then not
// guest-peer's fault.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "pattern.hpp"
#include "peer.hpp"

namespace casemate::guest_peer {
namespace {

// Sends request to a service, half-closes, and returns all that comes back.
std::string converse(Handler handler, std::string_view request, std::uint64_t parameter = 0) {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    std::thread service([&] {
        handler(ends[1], parameter);
        close(ends[1]);
    });
    std::thread sender([&] {
        write_text(ends[0], request);
        shutdown(ends[0], SHUT_WR);
    });
    std::string answer;
    std::array<char, 4096> block{};
    for (ssize_t size = 0; (size = read(ends[0], block.data(), block.size())) > 0;) {
        answer.append(block.data(), static_cast<std::size_t>(size));
    }
    sender.join();
    service.join();
    close(ends[0]);
    return answer;
}

std::string pattern(std::size_t size) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) {
        bytes += static_cast<char>(pattern_byte(i));
    }
    return bytes;
}

TEST(Echo, SendsBackEverythingAfterTheEnd) {
    const std::string sent = pattern(300'001);
    EXPECT_TRUE(converse(echo, sent) == sent);
    EXPECT_EQ(converse(echo, ""), "");
}

TEST(Sink, AnswersCrcAndLength) {
    EXPECT_EQ(converse(sink, "123456789"), "cbf43926 9\n");  // CRC-32's check value
    EXPECT_EQ(converse(sink, ""), "00000000 0\n");
}

TEST(Source, SendsThePattern) {
    EXPECT_TRUE(converse(source, "", 200'003) == pattern(200'003));
    EXPECT_TRUE(converse(requested_source, "131073\n") == pattern(131'073));
    EXPECT_EQ(converse(requested_source, "many\n"), "error expected a decimal number of bytes\n");
}

TEST(Commands, AnswerEachLine) {
    EXPECT_EQ(converse(commands, "env NO_SUCH_VARIABLE\nnsm unheard\n"),
              "error unset\nerror expected nsm describe, pcr N, random, raw HEX, nothing or time "
              "COUNT HEX\n");
    EXPECT_EQ(converse(commands, "id\n").substr(0, 7), "ok uid ");
    EXPECT_EQ(converse(commands, "nonsense\n").substr(0, 15), "error expected ");
}

TEST(Commands, RunProgramsAndShowFiles) {
    EXPECT_EQ(converse(commands, "run /bin/echo a b\n"), "ok 0 6120620a -\n");
    EXPECT_EQ(converse(commands, "run /bin/false\n"), "ok 1 - -\n");
    EXPECT_EQ(converse(commands, "run /bin/missing\n"), "error errno 2 ENOENT\n");
    EXPECT_EQ(converse(commands, "run /bin/ls /missing\n").substr(0, 7), "ok 2 - ");
    EXPECT_EQ(converse(commands, "file /dev/zero 3\n"), "ok 000000\n");
    EXPECT_EQ(converse(commands, "file /missing 3\n"), "error errno 2 ENOENT\n");
}

TEST(Pattern, TellsBlocksApart) {
    std::array<std::uint8_t, 24> filled{};
    fill_pattern(0x0102'0300, filled);
    for (std::size_t i = 0; i < filled.size(); ++i) {
        EXPECT_EQ(filled[i], pattern_byte(0x0102'0300 + i));
    }
    EXPECT_EQ(pattern_byte(0x0102'0305), 0x01 ^ 0x02 ^ 0x03 ^ 0x05);
}

}  // namespace
}  // namespace casemate::guest_peer
