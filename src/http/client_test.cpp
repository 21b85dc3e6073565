#include "http/client.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using std::chrono::milliseconds;

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

// Scripted: a peer that says what it is told, whatever it is asked, then closes.
class Scripted {
public:
    explicit Scripted(std::string says, bool stays = false) {
        FdPair pair = make_socket_pair(SOCK_STREAM).value();
        client = std::move(pair.first);
        thread_ = std::thread(
            [says = std::move(says), stays, this, socket = std::move(pair.second)]() mutable {
                Raw raw(std::move(socket));
                static_cast<void>(raw.send(says));
                while (stays && !ended_) {
                    std::this_thread::sleep_for(milliseconds(1));
                }
                raw.half_close();
                asked = raw.receive_all();
            });
    }
    Scripted(const Scripted&) = delete;
    Scripted& operator=(const Scripted&) = delete;
    ~Scripted() { end(); }

    // end waits until the peer has heard all.
    void end() {
        ended_ = true;
        if (thread_.joinable()) {
            thread_.join();
        }
    }

    UniqueFd client;
    std::string asked;

private:
    std::atomic<bool> ended_ = false;
    std::thread thread_;
};

ClientLimits small() {
    return {.exchange = milliseconds(20000), .header_bytes = 1000, .body_bytes = 100};
}

TEST(HttpClient, WritesWhatItIsAsked) {
    Scripted peer("HTTP/1.1 204 No Content\r\n\r\n");
    {
        auto connection = Connection::over(std::move(peer.client), std::nullopt).value();
        Request request = post("/a?b=c", "body");
        request.headers.emplace_back("X-Amz-Target", "TrentService.Decrypt");
        request.headers.emplace_back("content-length", "4");
        const auto response = connection.exchange(request);
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->status, 204);
        EXPECT_EQ(response->body, "");
    }
    peer.end();
    EXPECT_EQ(peer.asked,
              "POST /a?b=c HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: TrentService.Decrypt\r\n"
              "Content-Length: 4\r\n\r\nbody");
}

TEST(HttpClient, ReadsEveryFormOfResponse) {
    struct Form {
        std::string bytes;
        std::string body;
        bool stays_open;
    };
    const std::vector<Form> forms = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab", true},
        {"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", "", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", "ab", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", "ab", false},
        {"HTTP/1.0 200 OK\r\n\r\nall there is", "all there is", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
         "abcd", true},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
         "abc", true},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
         "ab", true},
        // What comes unasked makes the connection useless, not the response.
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", "ab", false},
    };
    for (const Form& form : forms) {
        Scripted peer(form.bytes);
        auto connection = Connection::over(std::move(peer.client), std::nullopt, small()).value();
        const auto response = connection.exchange(get("/"));
        ASSERT_TRUE(response.ok()) << form.bytes << response.error().message();
        EXPECT_EQ(response->status, 200) << form.bytes;
        EXPECT_EQ(response->body, form.body) << form.bytes;
        EXPECT_EQ(connection.is_open(), form.stays_open) << form.bytes;
        EXPECT_EQ(find_header(response->headers, "link"), nullptr);
    }
}

TEST(HttpClient, RefusesOtherResponses) {
    struct Bad {
        std::string bytes;
        HttpErrc why;
    };
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    const std::vector<Bad> all = {
        {"", HttpErrc::closed_before_response},
        {"nonsense\r\n\r\n", HttpErrc::bad_message},
        {"HTTP/1.1 200 OK\n\n", HttpErrc::bad_message},
        {"HTTP/2.0 200 OK\r\n\r\n", HttpErrc::bad_message},
        {"HTTP/1.1 20 OK\r\n\r\n", HttpErrc::bad_message},
        {"HTTP/1.1 101 Switching\r\n\r\n", HttpErrc::bad_message},
        {ok, HttpErrc::bad_message},
        {ok + "Content-Length: 5\r\n\r\nab", HttpErrc::bad_message},
        {ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", HttpErrc::bad_message},
        {ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", HttpErrc::bad_message},
        {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         HttpErrc::bad_message},
        {ok + "Transfer-Encoding: gzip\r\n\r\nab", HttpErrc::bad_message},
        {ok + "Transfer-Encoding: chunked\r\n\r\nz\r\n", HttpErrc::bad_message},
        {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", HttpErrc::bad_message},
        {ok + "X: a\r\n b\r\n\r\n", HttpErrc::bad_message},
        {ok + "X: " + std::string(1000, 'a') + "\r\n\r\n", HttpErrc::too_large},
        {ok + "X: " + std::string(1000, 'a'), HttpErrc::too_large},
        {ok + "Content-Length: 101\r\n\r\n", HttpErrc::too_large},
        {ok + "\r\n" + std::string(101, 'a'), HttpErrc::too_large},
        {ok + "Transfer-Encoding: chunked\r\n\r\n65\r\n", HttpErrc::too_large},
    };
    for (const Bad& bad : all) {
        Scripted peer(bad.bytes);
        auto connection = Connection::over(std::move(peer.client), std::nullopt, small()).value();
        const auto response = connection.exchange(get("/"));
        ASSERT_FALSE(response.ok()) << bad.bytes;
        EXPECT_TRUE(response.error().is(bad.why)) << bad.bytes << response.error().message();
        EXPECT_FALSE(connection.is_open());
        EXPECT_TRUE(connection.exchange(get("/")).error().is(HttpErrc::bad_argument));
    }
}

TEST(HttpClient, KeepsItsDeadlines) {
    ClientLimits limits = small();
    limits.exchange = milliseconds(30);
    limits.handshake = milliseconds(30);
    for (const char* begun : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"}) {
        Scripted peer(begun, true);
        auto connection = Connection::over(std::move(peer.client), std::nullopt, limits).value();
        const auto response = connection.exchange(get("/"));
        ASSERT_FALSE(response.ok());
        EXPECT_TRUE(response.error().is(HttpErrc::timed_out)) << response.error().message();
    }
    Scripted silent("", true);
    const auto refused = Connection::over(std::move(silent.client),
                                          TlsClient{*authority().client, "localhost"}, limits);
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(HttpErrc::timed_out)) << refused.error().message();
}

TEST(HttpClient, RequestsThatCantBeWrittenAreRefused) {
    const auto server = start_server({});
    const auto expect_refused = [&](const Request& request) {
        Connection connection = plain(*server);
        const auto response = connection.exchange(request);
        ASSERT_FALSE(response.ok());
        EXPECT_TRUE(response.error().is(HttpErrc::bad_argument));
        EXPECT_TRUE(connection.is_open());
    };
    for (const char* target : {"", "a", "/a b", "/a\r\nX: y", "http://h/"}) {
        expect_refused(get(target));
    }
    const std::vector<Headers> all = {{},
                                      {{"Host", "a"}, {"Host", "b"}},
                                      {{"Host", "a\r\nX: y"}},
                                      {{"Host", "a"}, {"X Y", "z"}},
                                      {{"Host", "a"}, {"", "z"}},
                                      {{"Host", "a"}, {"Content-Length", "7"}},
                                      {{"Host", "a"}, {"Transfer-Encoding", "chunked"}},
                                      {{"Host", "a"}, {"Connection", "close"}}};
    for (const Headers& headers : all) {
        Request request = get("/");
        request.headers = headers;
        expect_refused(request);
    }
    Request request = get("/");
    request.method = "GET / HTTP/1.1\r\nX:";
    expect_refused(request);
    EXPECT_EQ(server->statistics().requests, 0U);
}

TEST(HttpClient, TrustsItsAuthorityAndTheHostAlone) {
    const auto server = start_server({.listeners = {tls_listener()}});
    const auto expect_refused = [&](const crypto::TlsClientContext& context,
                                    const std::string& host, HttpErrc why) {
        const auto refused = Connection::over(connect_tcp(*server->bound_port("tls")),
                                              TlsClient{.context = context, .host = host});
        ASSERT_FALSE(refused.ok()) << host;
        EXPECT_TRUE(refused.error().is(why)) << refused.error().message();
    };
    for (const char* host : {"example", "localhost.example", "127.0.0.2", "::1", "server"}) {
        expect_refused(*authority().client, host, HttpErrc::tls_failure);
    }
    for (const char* host : {"", ".localhost", "a b", "localhost/"}) {
        expect_refused(*authority().client, host, HttpErrc::bad_argument);
    }
    const TestAuthority other;
    expect_refused(*other.client, "localhost", HttpErrc::tls_failure);
    EXPECT_TRUE(secure(*server).ok());
    // A server that does not speak TLS.
    Scripted peer("HTTP/1.1 400 Bad Request\r\n\r\n");
    const auto refused =
        Connection::over(std::move(peer.client), TlsClient{*authority().client, "localhost"});
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(HttpErrc::tls_failure));
}

TEST(HttpClient, ReadsWhatIsAnsweredToABodyThatIsTooLong) {
    Options options;
    options.limits.body_bytes = 1000;
    const auto server = start_server(std::move(options));
    Connection connection = plain(*server);
    const auto response = connection.exchange(post("/", std::string(20000000, 'b')));
    // The server reads some of it and ends then: its answer comes, or the end of the connection.
    if (response) {
        EXPECT_EQ(response->status, 413);
    } else {
        EXPECT_TRUE(response.error().is(HttpErrc::connection_lost) ||
                    response.error().is(HttpErrc::closed_before_response))
            << response.error().message();
    }
    EXPECT_FALSE(connection.is_open());
    Connection another = plain(*server);
    const auto short_one = another.exchange(post("/", std::string(3000000, 'b')));
    ASSERT_TRUE(short_one.ok()) << short_one.error().message();
    EXPECT_EQ(short_one->status, 413);
}

TEST(HttpClient, AsksForTheHeadAlone) {
    const auto server = start_server({});
    Connection connection = plain(*server);
    Request request = get("/");
    request.method = "HEAD";
    for (int i = 0; i < 3; ++i) {
        const auto response = connection.exchange(request);
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->body, "");
        EXPECT_EQ(*find_header(response->headers, "Content-Length"), "7");
    }
}

TEST(HttpClient, ReplacedCertificatesAreNewConnections) {
    const auto server = start_server({.listeners = {tls_listener()}});
    auto before = secure(*server);
    ASSERT_TRUE(before.ok());
    const TestAuthority next(crypto::Curve::p384);
    ASSERT_TRUE(server->replace_tls("tls", *next.server).ok());
    EXPECT_TRUE(before->exchange(get("/")).ok());
    EXPECT_FALSE(secure(*server).ok());
    EXPECT_TRUE(Connection::over(connect_tcp(*server->bound_port("tls")),
                                 TlsClient{*next.client, "localhost"})
                    .ok());
}

}  // namespace
}  // namespace casemate::http
