#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr milliseconds kLong(30000);
constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

TEST(HttpStop, LetsRequestsFinishAndClosesTheIdle) {
    std::atomic<bool> go_on = false;
    const auto server = start_server({}, [&](const Request& request) {
        while (request.target == "/slow" && !go_on) {
            std::this_thread::sleep_for(milliseconds(1));
        }
        return echo(request);
    });
    const std::uint16_t port = *server->bound_port("tcp");
    Raw idle(*server);
    ASSERT_TRUE(idle.send(kGet));
    EXPECT_EQ(status_of(idle.receive_response()), 200);
    Raw never_used(*server);
    Raw slow(*server);
    ASSERT_TRUE(slow.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"));
    Raw half(*server);
    ASSERT_TRUE(half.send(kGet.substr(0, 10)));
    // What has begun: the slow one by its handler, the half one by bytes that were read.
    EXPECT_TRUE(eventually([&] {
        const Statistics now = server->statistics();
        return now.requests == 2 && now.open == 4 && now.idle == 2;
    }));
    std::thread stopping([&] { server->stop(kLong); });
    EXPECT_EQ(idle.receive_all(), "");
    EXPECT_EQ(never_used.receive_all(), "");
    EXPECT_FALSE(connect_tcp(port).valid());
    ASSERT_TRUE(half.send(kGet.substr(10)));
    EXPECT_THAT(half.receive_all(), HasSubstr("Connection: close"));
    half.close();
    go_on = true;
    EXPECT_THAT(slow.receive_all(), HasSubstr("Connection: close"));
    slow.close();
    stopping.join();
    const Statistics end = server->statistics();
    EXPECT_EQ(end.open, 0U);
    EXPECT_EQ(end.requests, 3U);
    EXPECT_EQ(end.aborted, 0U);
    server->stop(kLong);
}

TEST(HttpStop, EndsWhatIsLeftAtTheDeadline) {
    const auto server = start_server({}, [](const Request& /*request*/) {
        return Response{.body = std::string(std::size_t{64} << 20U, 'x')};
    });
    Raw half(*server);
    ASSERT_TRUE(half.send(kGet.substr(0, 10)));
    Raw unread(*server);
    ASSERT_TRUE(unread.send(kGet));
    EXPECT_TRUE(eventually([&] { return server->statistics().bytes_out > 0; }));
    server->stop(milliseconds(20));
    EXPECT_EQ(server->statistics().open, 0U);
    EXPECT_EQ(half.receive_all().find("200"), std::string::npos);
}

TEST(HttpStop, UnderLoadEveryAnswerIsWhole) {
    for (int round = 0; round < 10; ++round) {
        const auto server = start_server({.listeners = {tcp_listener(), tls_listener()}});
        const std::uint16_t plain = *server->bound_port("tcp");
        const std::uint16_t secure = *server->bound_port("tls");
        std::atomic<int> wrong = 0;
        std::atomic<std::uint64_t> answered = 0;
        std::vector<std::thread> clients;
        for (int c = 0; c < 8; ++c) {
            clients.emplace_back([&, c] {
                auto connection = Connection::over(
                    connect_tcp(c % 2 == 0 ? plain : secure),
                    c % 2 == 0 ? std::nullopt
                               : std::optional<TlsClient>({*authority().client, "localhost"}));
                while (connection.ok() && connection->is_open()) {
                    const auto response = connection->exchange(
                        {.method = "GET", .target = "/", .headers = {{"Host", "localhost"}}});
                    // A connection may be closed between two requests, never within an answer.
                    if (!response) {
                        wrong += response.error().is(HttpErrc::closed_before_response) ? 0 : 1;
                        return;
                    }
                    wrong += response->body == "GET / " ? 0 : 1;
                    ++answered;
                }
            });
        }
        EXPECT_TRUE(eventually([&] { return server->statistics().requests > 200; }));
        server->stop(kLong);
        for (std::thread& client : clients) {
            client.join();
        }
        EXPECT_EQ(wrong, 0);
        // Whatever was handled was answered.
        EXPECT_EQ(server->statistics().requests, answered);
        EXPECT_EQ(server->statistics().open, 0U);
    }
}

}  // namespace
}  // namespace casemate::http
