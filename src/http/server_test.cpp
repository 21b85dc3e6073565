#include "http/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string get_request(const std::string& target, const std::string& more = "") {
    return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n";
}

std::string post(const std::string& body) {
    return "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

// answer_to gives all that a server answers to bytes before it closes the connection; the sender
// ends its stream after them.
std::string answer_to(const Server& server, std::string_view bytes) {
    Raw raw(server);
    EXPECT_TRUE(raw.send(bytes));
    raw.half_close();
    return raw.receive_all();
}

TEST(HttpServer, KeepsConnections) {
    const auto server = start_server({});
    Raw raw(*server);
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(raw.send(post("body " + std::to_string(i))));
        const std::string response = raw.receive_response();
        EXPECT_EQ(status_of(response), 200);
        EXPECT_THAT(response, HasSubstr("\r\nDate: "));
        EXPECT_THAT(response, Not(HasSubstr("Connection:")));
        EXPECT_THAT(response, EndsWith("POST / body " + std::to_string(i)));
    }
    ASSERT_TRUE(raw.send(get_request("/last", "Connection: foo, Close\r\n")));
    const std::string last = raw.receive_all();
    EXPECT_THAT(last, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(last, EndsWith("GET /last "));
    EXPECT_EQ(server->statistics().accepted, 1U);
}

TEST(HttpServer, SpeaksHttp10) {
    const auto server = start_server({});
    EXPECT_THAT(answer_to(*server, "GET /old HTTP/1.0\r\n\r\nGET /next HTTP/1.0\r\n\r\n"),
                EndsWith("Connection: close\r\n\r\nGET /old "));
    Raw raw(*server);
    ASSERT_TRUE(raw.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    EXPECT_THAT(raw.receive_response(), HasSubstr("Connection: keep-alive\r\n"));
    ASSERT_TRUE(raw.send("GET /b HTTP/1.0\r\n\r\n"));
    EXPECT_THAT(raw.receive_all(), EndsWith("GET /b "));
}

TEST(HttpServer, HeadHasNoBody) {
    const auto server = start_server({});
    const std::string answer =
        answer_to(*server, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n" + get_request("/y"));
    EXPECT_EQ(count_of(answer, "HTTP/1.1 200 OK"), 2U);
    EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n\r\nHTTP/1.1"));
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
    const auto server = start_server({});
    std::string requests;
    constexpr std::size_t kNumber = 500;
    for (std::size_t i = 0; i < kNumber; ++i) {
        requests += post("number " + std::to_string(i) + ";");
    }
    // In pieces that end anywhere, a byte at the least.
    for (const std::size_t piece : {requests.size(), std::size_t{1000}, std::size_t{37}}) {
        Raw raw(*server);
        std::thread sender([&] {
            for (std::size_t at = 0; at < requests.size(); at += piece) {
                EXPECT_TRUE(raw.send(std::string_view(requests).substr(at, piece)));
            }
        });
        for (std::size_t i = 0; i < kNumber; ++i) {
            ASSERT_THAT(raw.receive_response(), EndsWith("number " + std::to_string(i) + ";"));
        }
        sender.join();
    }
}

TEST(HttpServer, TakesRequestsByteByByte) {
    const auto server = start_server({});
    Raw raw(*server);
    const std::string request =
        "\r\nPOST /slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
        "5\r\nhello\r\nA\r\n, chunked!\r\n0\r\n\r\n";
    for (const char byte : request) {
        ASSERT_TRUE(raw.send(std::string_view(&byte, 1)));
    }
    EXPECT_THAT(raw.receive_response(), EndsWith("POST /slow hello, chunked!"));
}

TEST(HttpServer, TellsWhatWasSent) {
    Request seen;
    const auto server = start_server({}, [&](const Request& request) {
        seen = request;
        return Response{.status = 204, .headers = {{"X-One", "1"}}, .body = "none of it"};
    });
    const std::string answer =
        answer_to(*server,
                  "DELETE /a%20b?c=d&e HTTP/1.1\r\nhOST: h:1\r\nX-Empty:\r\nX-Two:  a\tb \r\n"
                  "X-Two: c\r\n\r\n");
    EXPECT_EQ(seen.method, "DELETE");
    EXPECT_EQ(seen.target, "/a%20b?c=d&e");
    EXPECT_EQ(seen.headers,
              (Headers{{"hOST", "h:1"}, {"X-Empty", ""}, {"X-Two", "a\tb"}, {"X-Two", "c"}}));
    EXPECT_EQ(*find_header(seen.headers, "x-TWO"), "a\tb");
    EXPECT_EQ(find_header(seen.headers, "x-three"), nullptr);
    EXPECT_EQ(seen.peer.address, "127.0.0.1");
    EXPECT_EQ(seen.peer.listener, "tcp");
    EXPECT_FALSE(seen.peer.secure);
    EXPECT_EQ(status_of(answer), 204);
    EXPECT_THAT(answer, HasSubstr("X-One: 1\r\n"));
    EXPECT_THAT(answer, Not(HasSubstr("Content-Length")));
    EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

struct Bad {
    const char* what;
    std::string bytes;
    int status = 400;
};

std::string with(const std::string& headers, const std::string& body = "") {
    return "POST /bad HTTP/1.1\r\n" + headers + "\r\n" + body;
}

std::vector<Bad> bad_requests() {
    const std::string host = "Host: h\r\n";
    return {
        {"both lengths",
         with(host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {"both lengths, otherwise",
         with(host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
        {"two lengths", with(host + "Content-Length: 5\r\nContent-Length: 6\r\n", "hello")},
        {"the same length twice",
         with(host + "Content-Length: 5\r\nContent-Length: 5\r\n", "hello")},
        {"a list of lengths", with(host + "Content-Length: 5, 5\r\n", "hello")},
        {"a signed length", with(host + "Content-Length: +5\r\n", "hello")},
        {"a negative length", with(host + "Content-Length: -5\r\n", "hello")},
        {"a hexadecimal length", with(host + "Content-Length: 0x5\r\n", "hello")},
        {"an empty length", with(host + "Content-Length:\r\n", "hello")},
        {"a huge length", with(host + "Content-Length: 99999999999999999999999\r\n", "hello")},
        {"another coding", with(host + "Transfer-Encoding: gzip\r\n", "hello")},
        {"two codings", with(host + "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
        {"identity", with(host + "Transfer-Encoding: identity\r\n", "")},
        {"a coding with a prefix", with(host + "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")},
        {"a coding twice",
         with(host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
        {"a hidden coding",
         with(host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")},
        {"a coding with a control character",
         with(host + "Transfer-Encoding: \vchunked\r\n", "0\r\n\r\n")},
        {"space before the colon", with(host + "Transfer-Encoding : chunked\r\n", "0\r\n\r\n")},
        {"a coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {"bare line feeds", "POST /bad HTTP/1.1\nHost: h\n\n"},
        {"one bare line feed", with(host + "X: 1\nContent-Length: 5\r\n", "hello")},
        {"a bare carriage return", with(host + "X: 1\rContent-Length: 5\r\n", "hello")},
        {"a zero byte", with(host + std::string("X: a\0b\r\n", 8))},
        {"a folded header", with(host + "X: 1\r\n Content-Length: 5\r\n", "hello")},
        {"a folded header, by a tab", with(host + "X: 1\r\n\tb\r\n")},
        {"space before the first header", "GET / HTTP/1.1\r\n Host: h\r\n\r\n"},
        {"a header without colon", with(host + "nothing\r\n")},
        {"a header without name", with(host + ": nothing\r\n")},
        {"a name that is no token", with(host + "a(b: c\r\n")},
        {"no host", with("")},
        {"two hosts", with(host + "Host: i\r\n")},
        {"an absolute form", "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"another host's absolute form", "GET http://i/ HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"an authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"an asterisk", "GET * HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"no target", "GET  HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a target beyond ASCII", "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"HTTP/0.9", "GET /\r\n\r\n"},
        {"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"a method that is no token", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505},
        {"HTTP/3.1", "GET / HTTP/3.1\r\nHost: h\r\n\r\n", 505},
        {"an expectation", with(host + "Expect: 200-ok\r\nContent-Length: 5\r\n"), 417},
        {"a ClientHello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
        {"zeros", std::string(64, '\0')},
        {"letters without end", std::string(100000, 'a'), 431},
        {"a header without end", "GET / HTTP/1.1\r\nX: " + std::string(100000, 'a'), 431},
        {"headers without end",
         "GET / HTTP/1.1\r\n" +
             []() {
                 std::string many;
                 for (int i = 0; i < 200; ++i) {
                     many += "a: b\r\n";
                 }
                 return many + "\r\n";
             }(),
         431},
    };
}

std::vector<Bad> bad_chunks() {
    const std::string chunked = with("Host: h\r\nTransfer-Encoding: chunked\r\n");
    return {
        {"no size", chunked + "\r\n\r\n"},
        {"a size of other digits", chunked + "xyz\r\n"},
        {"a signed size", chunked + "+5\r\nhello\r\n0\r\n\r\n"},
        {"a prefixed size", chunked + "0x5\r\nhello\r\n0\r\n\r\n"},
        {"a size beyond 64 bits", chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n"},
        {"an extension", chunked + "5;a=b\r\nhello\r\n0\r\n\r\n"},
        {"an extension at the end", chunked + "5\r\nhello\r\n0;a\r\n\r\n"},
        {"an extension with a line feed", chunked + "5;\nhello\r\n0\r\n\r\n"},
        {"space after the size", chunked + "5 \r\nhello\r\n0\r\n\r\n"},
        {"bare line feeds", chunked + "5\nhello\n0\n\n"},
        {"too much in the chunk", chunked + "5\r\nhello!\r\n0\r\n\r\n"},
        {"a trailer", chunked + "5\r\nhello\r\n0\r\nX-Signed: no\r\n\r\n"},
        {"a chunk head without end", chunked + std::string(2000, '0')},
        {"too long a body", chunked + "200000\r\n", 413},
    };
}

void expect_refused(const Server& server, const std::atomic<int>& handled, const Bad& bad) {
    const int before = handled;
    // A request that hides behind the bad one must not be answered.
    const std::string answer = answer_to(server, bad.bytes + get_request("/hidden"));
    EXPECT_EQ(status_of(answer), bad.status) << bad.what << "\n" << answer;
    EXPECT_EQ(count_of(answer, "HTTP/1.1 "), 1U) << bad.what << "\n" << answer;
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n")) << bad.what;
    EXPECT_EQ(handled, before) << bad.what;
}

TEST(HttpServer, RefusesWhatIsAmbiguous) {
    std::atomic<int> handled = 0;
    const auto server = start_server({}, [&](const Request& request) {
        ++handled;
        return echo(request);
    });
    for (const Bad& bad : bad_requests()) {
        expect_refused(*server, handled, bad);
    }
    for (const Bad& bad : bad_chunks()) {
        expect_refused(*server, handled, bad);
    }
    EXPECT_EQ(handled, 0);
    const Statistics statistics = server->statistics();
    EXPECT_EQ(statistics.bad_requests + statistics.too_large,
              bad_requests().size() + bad_chunks().size());
    EXPECT_EQ(statistics.too_large, 4U);
}

TEST(HttpServer, RefusalsAreTheServicesOwn) {
    std::vector<int> seen;
    Options options;
    options.threads = 1;
    options.refusals = [&](const Refusal& refusal) {
        seen.push_back(refusal.status);
        EXPECT_EQ(refusal.peer->address, "127.0.0.1");
        EXPECT_FALSE(refusal.reason.empty());
        if (seen.size() == 2) {
            throw std::runtime_error("refusals too");
        }
        return Response{.status = refusal.status, .body = "{}"};
    };
    const auto server = start_server(std::move(options));
    EXPECT_THAT(answer_to(*server, "nonsense\r\n\r\n"), EndsWith("\r\n\r\n{}"));
    EXPECT_EQ(status_of(answer_to(*server, "nonsense\r\n\r\n")), 400);
    EXPECT_EQ(status_of(answer_to(*server, get_request("/"))), 200);
    EXPECT_EQ(seen, (std::vector<int>{400, 400}));
}

TEST(HttpServer, LimitsBodies) {
    Options options;
    options.limits.body_bytes = 1000;
    const auto server = start_server(std::move(options));
    EXPECT_THAT(answer_to(*server, post(std::string(1000, 'b'))), EndsWith("bbb"));
    EXPECT_EQ(status_of(answer_to(*server, post(std::string(1001, 'b')))), 413);
    // More than the sockets' buffers hold, so that the server must go on reading.
    EXPECT_EQ(status_of(answer_to(*server, post(std::string(3000000, 'b')))), 413);
    std::string chunked = with("Host: h\r\nTransfer-Encoding: chunked\r\n");
    for (int i = 0; i < 101; ++i) {
        chunked += "a\r\n0123456789\r\n";
    }
    EXPECT_EQ(status_of(answer_to(*server, chunked + "0\r\n\r\n")), 413);
    EXPECT_EQ(server->statistics().too_large, 3U);
}

TEST(HttpServer, LimitsHeaders) {
    Options options;
    options.limits.header_bytes = 1000;
    options.limits.headers = 3;
    const auto server = start_server(std::move(options));
    const std::string around = get_request("/", "X: \r\n");
    const std::string most(1000 - around.size(), 'x');
    EXPECT_EQ(status_of(answer_to(*server, get_request("/", "X: " + most + "\r\n"))), 200);
    EXPECT_EQ(status_of(answer_to(*server, get_request("/", "X: " + most + "x\r\n"))), 431);
    EXPECT_EQ(status_of(answer_to(*server, get_request("/", "a: b\r\nc: d\r\n"))), 200);
    EXPECT_EQ(status_of(answer_to(*server, get_request("/", "a: b\r\nc: d\r\ne: f\r\n"))), 431);
}

TEST(HttpServer, SaysContinue) {
    Options options;
    options.limits.body_bytes = 10;
    const auto server = start_server(std::move(options));
    const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n";
    Raw raw(*server);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(raw.send(head + "Content-Length: 5\r\n\r\n"));
        EXPECT_EQ(raw.receive_response(), "HTTP/1.1 100 Continue\r\n\r\n");
        ASSERT_TRUE(raw.send("hello"));
        EXPECT_THAT(raw.receive_response(), EndsWith("POST / hello"));
    }
    // Who does not wait is not told, and who sends too much is told so at once.
    EXPECT_EQ(status_of(answer_to(*server, head + "Content-Length: 5\r\n\r\nhello")), 200);
    EXPECT_EQ(status_of(answer_to(*server, head + "Content-Length: 11\r\n\r\n")), 413);
    EXPECT_EQ(status_of(answer_to(*server, head + "Content-Length: 0\r\n\r\n")), 200);
}

TEST(HttpServer, EndsWhoIsSlow) {
    Options options;
    options.limits.request = milliseconds(40);
    options.limits.idle = milliseconds(20000);
    const auto server = start_server(std::move(options));
    for (const std::string& begun : {get_request("/").substr(0, 9), std::string("G"),
                                     post("hello").substr(0, post("hello").size() - 1)}) {
        Raw raw(*server);
        ASSERT_TRUE(raw.send(begun));
        const std::string answer = raw.receive_all();
        EXPECT_EQ(status_of(answer), 408);
        EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    }
    // A byte now and then does not help.
    Raw dripping(*server);
    ASSERT_TRUE(dripping.send("GET / HTTP/1.1\r\nX: "));
    while (dripping.send("x")) {
        std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_TRUE(eventually([&] { return server->statistics().open == 0; }));
    EXPECT_EQ(server->statistics().request_timeouts, 4U);
    EXPECT_EQ(server->statistics().requests, 0U);
}

TEST(HttpServer, EndsWhoIsIdle) {
    Options options;
    options.limits.idle = milliseconds(40);
    const auto server = start_server(std::move(options));
    Raw silent(*server);
    EXPECT_EQ(silent.receive_all(), "");
    Raw once(*server);
    ASSERT_TRUE(once.send(get_request("/")));
    EXPECT_EQ(status_of(once.receive_all()), 200);
    EXPECT_TRUE(eventually([&] { return server->statistics().open == 0; }));
    EXPECT_EQ(server->statistics().idle_timeouts, 2U);
    EXPECT_EQ(server->statistics().idle, 0U);
}

TEST(HttpServer, EndsWhoDoesNotRead) {
    Options options;
    options.limits.write = milliseconds(40);
    const auto server = start_server(std::move(options), [](const Request& /*request*/) {
        return Response{.body = std::string(std::size_t{64} << 20U, 'x')};
    });
    Raw raw(*server);
    ASSERT_TRUE(raw.send(get_request("/")));
    EXPECT_TRUE(eventually([&] { return server->statistics().write_timeouts == 1; }));
    EXPECT_TRUE(eventually([&] { return server->statistics().open == 0; }));
}

TEST(HttpServer, EndsWhoDoesNotShakeHands) {
    Options options;
    options.limits.handshake = milliseconds(40);
    options.listeners.push_back(tls_listener());
    const auto server = start_server(std::move(options));
    Raw silent(connect_tcp(*server->bound_port("tls")));
    EXPECT_EQ(silent.receive_all(), "");
    EXPECT_EQ(server->statistics().handshake_timeouts, 1U);
    Raw plain(connect_tcp(*server->bound_port("tls")));
    ASSERT_TRUE(plain.send(get_request("/")));
    EXPECT_THAT(plain.receive_all(), Not(HasSubstr("HTTP/1.1 200")));
    EXPECT_EQ(server->statistics().handshake_failures, 1U);
    EXPECT_EQ(server->statistics().requests, 0U);
}

TEST(HttpServer, SurvivesWhoGoesAway) {
    const auto server = start_server({});
    for (const std::string& begun : {get_request("/").substr(0, 9), post("hello").substr(0, 50)}) {
        Raw half(*server);
        ASSERT_TRUE(half.send(begun));
        half.half_close();
        EXPECT_EQ(half.receive_all(), "");
    }
    EXPECT_TRUE(eventually([&] { return server->statistics().aborted == 2; }));
    for (int i = 0; i < 50; ++i) {
        Raw gone(*server);
        ASSERT_TRUE(gone.send(get_request("/").substr(0, std::size_t(i) % 29)));
    }
    EXPECT_TRUE(eventually([&] { return server->statistics().open == 0; }));
    EXPECT_EQ(status_of(answer_to(*server, get_request("/"))), 200);
}

TEST(HttpServer, SurvivesItsHandler) {
    const auto server = start_server({}, [](const Request& request) -> Response {
        if (request.target == "/throw") {
            throw std::runtime_error("secret reason");
        }
        if (request.target == "/number") {
            throw 7;
        }
        if (request.target == "/split") {
            return {.headers = {{"X", "a\r\nSet-Cookie: b"}}};
        }
        if (request.target == "/name") {
            return {.headers = {{"X Y", "a"}}};
        }
        if (request.target == "/status") {
            return {.status = 99};
        }
        return {.headers = {{"Content-Length", "1"}, {"Transfer-Encoding", "chunked"}},
                .body = "fine"};
    });
    const std::array<const char*, 5> bad = {"/throw", "/number", "/split", "/name", "/status"};
    for (const char* target : bad) {
        const std::string answer = answer_to(*server, get_request(target) + get_request("/next"));
        EXPECT_EQ(status_of(answer), 500) << target;
        EXPECT_EQ(count_of(answer, "HTTP/1.1 "), 1U) << target;
        EXPECT_THAT(answer, Not(HasSubstr("secret")));
    }
    const std::string fine = answer_to(*server, get_request("/"));
    EXPECT_EQ(status_of(fine), 200);
    EXPECT_EQ(count_of(fine, "Content-Length: 4"), 1U);
    EXPECT_THAT(fine, Not(HasSubstr("chunked")));
    EXPECT_EQ(server->statistics().handler_failures, bad.size());
}

TEST(HttpServer, LimitsRequestsOfAConnection) {
    Options options;
    options.limits.requests_per_connection = 3;
    const auto server = start_server(std::move(options));
    const std::string answer =
        answer_to(*server, get_request("/1") + get_request("/2") + get_request("/3") +
                               get_request("/4") + get_request("/5"));
    EXPECT_EQ(count_of(answer, "HTTP/1.1 200"), 3U);
    EXPECT_EQ(count_of(answer, "Connection: close"), 1U);
    EXPECT_THAT(answer, EndsWith("GET /3 "));
}

TEST(HttpServer, LimitsConnections) {
    for (const bool of_address : {false, true}) {
        Options options;
        (of_address ? options.limits.connections_per_address : options.limits.connections) = 3;
        const auto server = start_server(std::move(options));
        std::vector<Raw> open;
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(open.emplace_back(*server).send(get_request("/")));
            EXPECT_EQ(status_of(open.back().receive_response()), 200);
        }
        Raw another(*server);
        EXPECT_EQ(status_of(another.receive_all()), 503);
        const Statistics statistics = server->statistics();
        EXPECT_EQ(
            of_address ? statistics.refused_connections_of_address : statistics.refused_connections,
            1U);
        EXPECT_EQ(statistics.open, 3U);
        EXPECT_EQ(statistics.idle, 3U);
        open.pop_back();
        EXPECT_TRUE(eventually([&] { return server->statistics().open == 2; }));
        EXPECT_EQ(status_of(answer_to(*server, get_request("/"))), 200);
    }
}

TEST(HttpServer, WaitsForDescriptors) {
    const auto server = start_server({});
    UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(client.valid());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    // The lowest descriptor that is free is beyond the limit then.
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(duplicate(client.get())->get());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(*server->bound_port("tcp"));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    EXPECT_TRUE(eventually([&] { return server->statistics().accept_failures >= 2; }));
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    Raw raw(std::move(client));
    ASSERT_TRUE(raw.send(get_request("/")));
    EXPECT_EQ(status_of(raw.receive_response()), 200);
}

TEST(HttpServer, ServesManyAtOnce) {
    const auto server = start_server({.listeners = {tcp_listener(), tls_listener()}});
    std::vector<std::thread> clients;
    std::atomic<int> right = 0;
    for (int c = 0; c < 200; ++c) {
        clients.emplace_back([&, c] {
            const bool tls = c % 4 == 0;
            auto connection = Connection::over(
                connect_tcp(*server->bound_port(tls ? "tls" : "tcp")),
                tls ? std::optional<TlsClient>({*authority().client, "localhost"}) : std::nullopt);
            ASSERT_TRUE(connection.ok()) << connection.error().message();
            for (int i = 0; i < 20; ++i) {
                const std::string body = std::to_string(c * 1000 + i);
                const auto response = connection->exchange({.method = "POST",
                                                            .target = "/",
                                                            .headers = {{"Host", "localhost"}},
                                                            .body = body});
                ASSERT_TRUE(response.ok()) << response.error().message();
                right += response->body == "POST / " + body ? 1 : 0;
            }
        });
    }
    for (std::thread& client : clients) {
        client.join();
    }
    EXPECT_EQ(right, 4000);
    EXPECT_EQ(server->statistics().accepted, 200U);
    EXPECT_EQ(server->statistics().aborted, 0U);
}

TEST(HttpServer, OneBlockedHandlerHoldsUpNobody) {
    std::atomic<bool> go_on = false;
    Options options;
    options.threads = 2;
    const auto server = start_server(std::move(options), [&](const Request& request) {
        while (request.target == "/blocked" && !go_on) {
            std::this_thread::sleep_for(milliseconds(1));
        }
        return echo(request);
    });
    Raw blocked(*server);
    ASSERT_TRUE(blocked.send(get_request("/blocked")));
    EXPECT_TRUE(eventually([&] { return server->statistics().requests == 1; }));
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(status_of(answer_to(*server, get_request("/"))), 200);
    }
    go_on = true;
    EXPECT_EQ(status_of(blocked.receive_response()), 200);
}

}  // namespace
}  // namespace casemate::http
