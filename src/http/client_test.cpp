#include "http/client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using testing::HasSubstr;

Request get(std::string target) {
    return {.method = "GET",
            .target = std::move(target),
            .headers = {{"Host", "localhost"}},
            .body = {},
            .peer = {}};
}

Request post(std::string target, std::string body) {
    Request request = get(std::move(target));
    request.method = "POST";
    request.body = std::move(body);
    return request;
}

Connection plain(const Server& server) {
    return Connection::over(connect_tcp(*server.bound_port("tcp")), std::nullopt).value();
}

Result<Connection> secure(const Server& server, const std::string& host = "localhost") {
    return Connection::over(connect_tcp(*server.bound_port("tls")),
                            TlsClient{.context = *authority().client, .host = host});
}

TEST(HttpClient, ExchangesOnOneConnection) {
    const auto server = start_server({});
    Connection connection = plain(*server);
    for (int i = 0; i < 3000; ++i) {
        const auto response =
            connection.exchange(post("/" + std::to_string(i), std::string(std::size_t(i), 'x')));
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body,
                  "POST /" + std::to_string(i) + " " + std::string(std::size_t(i), 'x'));
    }
    EXPECT_TRUE(connection.is_open());
    EXPECT_EQ(server->statistics().accepted, 1U);
    EXPECT_EQ(server->statistics().requests, 3000U);
}

TEST(HttpClient, ExchangesOverTls) {
    const auto server = start_server({.listeners = {tls_listener()}});
    for (const char* host : {"localhost", "127.0.0.1"}) {
        auto connection = secure(*server, host);
        ASSERT_TRUE(connection.ok()) << connection.error().message();
        for (int i = 0; i < 100; ++i) {
            const auto response = connection->exchange(post("/", std::string(100000, 'y')));
            ASSERT_TRUE(response.ok()) << response.error().message();
            EXPECT_EQ(response->body.size(), 100007U);
        }
    }
}

}  // namespace
}  // namespace casemate::http
