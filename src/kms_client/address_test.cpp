#include "kms_client/address.hpp"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace casemate::kms_client {
namespace {

using testing::HasSubstr;

Deadline in(int milliseconds) {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
}

TEST(Address, is_read_and_written) {
    EXPECT_EQ(text_of(Address{}), "vsock:3:8000");
    for (const std::string text : {"vsock:3:8000", "vsock:4294967295:0", "unix:/a/b", "unix:a:b",
                                   "tcp:127.0.0.1:8443", "tcp:[::1]:0", "tcp:[fe80::1]:65535"}) {
        const auto address = parse_address(text);
        ASSERT_TRUE(address.ok()) << text;
        EXPECT_EQ(text_of(*address), text);
        EXPECT_EQ(parse_address(text_of(*address)).value(), *address);
    }
    EXPECT_EQ(parse_address("vsock:16:5")->cid, 16U);
    EXPECT_EQ(parse_address("vsock:16:5")->port, 5U);
}

TEST(Address, others_are_refused) {
    for (const std::string text : {"",
                                   "vsock",
                                   "vsock:",
                                   "vsock::",
                                   "vsock:3",
                                   "vsock:3:",
                                   "vsock::1",
                                   "vsock:3:-1",
                                   "vsock:4294967296:1",
                                   "vsock:3:1 ",
                                   "unix:",
                                   "tcp:",
                                   "tcp:1",
                                   "tcp::1",
                                   "tcp:localhost:1",
                                   "tcp:127.0.0.1",
                                   "tcp:127.0.0.1:65536",
                                   "tcp:::1:1",
                                   "tcp:[127.0.0.1]:1",
                                   "tcp:[]:1",
                                   "tcp:[::1:1",
                                   "udp:127.0.0.1:1"}) {
        const auto address = parse_address(text);
        ASSERT_FALSE(address.ok()) << text;
        EXPECT_TRUE(address.error().is(ClientErrc::bad_argument));
    }
    EXPECT_FALSE(parse_address(std::string_view("unix:a\0b", 8)).ok());
}

TEST(Address, connects_by_tcp) {
    for (const bool ipv6 : {false, true}) {
        const UniqueFd listener(socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_storage storage{};
        storage.ss_family = ipv6 ? AF_INET6 : AF_INET;
        auto* const name = reinterpret_cast<sockaddr*>(&storage);
        if (ipv6) {
            reinterpret_cast<sockaddr_in6*>(name)->sin6_addr = in6addr_loopback;
        } else {
            reinterpret_cast<sockaddr_in*>(name)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        }
        socklen_t size = ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
        if (bind(listener.get(), name, size) != 0) {
            GTEST_SKIP() << "this machine has no loopback address of " << (ipv6 ? "IPv6" : "IPv4");
        }
        ASSERT_EQ(getsockname(listener.get(), name, &size), 0);
        const auto port = ntohs(ipv6 ? reinterpret_cast<sockaddr_in6*>(name)->sin6_port
                                     : reinterpret_cast<sockaddr_in*>(name)->sin_port);
        const auto address =
            parse_address((ipv6 ? "tcp:[::1]:" : "tcp:127.0.0.1:") + std::to_string(port));
        ASSERT_TRUE(address.ok());
        const auto refused = connect_to(*address, in(10000));
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(ClientErrc::not_connected));
        ASSERT_EQ(listen(listener.get(), 1), 0);
        const auto connected = connect_to(*address, in(10000));
        ASSERT_TRUE(connected.ok()) << connected.error().message();
        const UniqueFd accepted(accept(listener.get(), nullptr, nullptr));
        ASSERT_TRUE(write_all(connected->get(), as_bytes("x")).ok());
        Bytes got(1);
        EXPECT_TRUE(read_exactly(accepted.get(), got).ok());
    }
}

TEST(Address, long_paths_are_refused) {
    const auto connected =
        connect_to(parse_address("unix:/" + std::string(107, 'a')).value(), in(1));
    ASSERT_FALSE(connected.ok());
    EXPECT_TRUE(connected.error().is(ClientErrc::bad_argument));
    EXPECT_THAT(connected.error().message(), HasSubstr("107"));
}

}  // namespace
}  // namespace casemate::kms_client
