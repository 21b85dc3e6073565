// Bodies of any size through a client's connection.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "http/connect.hpp"
#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kGiB = 1ULL << 30U;

Request request(std::string method) {
    return {.method = std::move(method),
            .target = "/",
            .headers = {{"Host", "localhost"}},
            .body = {},
            .peer = {}};
}

// Peer: the other end of a connection, in a thread.
class Peer {
public:
    using Does = std::function<void(int socket)>;

    explicit Peer(Does does, ClientLimits limits = {}) {
        FdPair pair = make_socket_pair(SOCK_STREAM).value();
        connection.emplace(Connection::over(std::move(pair.first), std::nullopt, limits).value());
        thread_ = std::thread(
            [does = std::move(does), socket = std::move(pair.second)] { does(socket.get()); });
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() {
        connection.reset();
        thread_.join();
    }

    std::optional<Connection> connection;

private:
    std::thread thread_;
};

void say(int socket, std::string_view text) {
    // The client may be gone.
    static_cast<void>(write_all(socket, as_bytes(text)));
}

// hear reads until the end of some text, and gives what follows it already.
std::string hear(int socket, std::string_view until) {
    std::string heard;
    Bytes bytes(65536);
    while (heard.find(until) == std::string::npos) {
        const auto got = read_some(socket, bytes);
        if (!got || *got == 0) {
            return {};
        }
        heard.append(as_text(ByteView(bytes).first(*got)));
    }
    return heard.substr(heard.find(until) + until.size());
}

void hear_all(int socket) {
    Bytes bytes(65536);
    while (true) {
        const auto got = read_some(socket, bytes);
        if (!got || *got == 0) {
            return;
        }
    }
}

constexpr std::size_t kPeriod = 1U << 20U;

// pattern: the byte at a place of a body. It repeats itself after kPeriod.
std::uint8_t pattern(std::uint64_t at) {
    at %= kPeriod;
    return static_cast<std::uint8_t>((at >> 12U) * 7 + at % 3);
}

// period: twice the pattern, so that kPeriod bytes can be taken from any place on.
const Bytes& period() {
    static const Bytes made = [] {
        Bytes bytes(2 * kPeriod);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            bytes[i] = pattern(i);
        }
        return bytes;
    }();
    return made;
}

// piece views at most kPeriod of the pattern's bytes from at on.
ByteView piece(std::uint64_t at, std::size_t size) {
    return ByteView(period()).subspan(static_cast<std::size_t>(at % kPeriod), size);
}

// Checker is a sink that knows what is to come.
struct Checker {
    std::uint64_t size = 0;
    std::size_t most = 0;
    bool right = true;

    BodySink sink() {
        return [this](ByteView bytes) -> Result<> {
            most = std::max(most, bytes.size());
            right = right && bytes.front() == pattern(size) &&
                    bytes.back() == pattern(size + bytes.size() - 1);
            size += bytes.size();
            return {};
        };
    }
};

BodySink nothing() {
    return [](ByteView) { return Result<>(); };
}

// source gives size bytes of the pattern in pieces of odd sizes.
BodySource source(std::uint64_t size, bool tell, std::uint64_t& given) {
    BodySource made;
    if (tell) {
        made.size = size;
    }
    made.read = [size, &given](MutableBytes out) -> Result<std::size_t> {
        const std::size_t most = given % 2 == 0 ? 33333 : out.size();
        const auto count =
            static_cast<std::size_t>(std::min<std::uint64_t>({most, out.size(), size - given}));
        std::ranges::copy(piece(given, count), out.begin());
        given += count;
        return count;
    };
    return made;
}

long peak_kib() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

// kSpareKib: what a stream of a gibibyte may add to the process. A body in memory would add more.
constexpr long kSpareKib = 64L << 10U;

// A gibibyte goes to the sink, with a length and in chunks, and the process does not grow by it.
TEST(HttpStream, DownloadsAnySizeInFlatMemory) {
    for (const bool chunked : {false, true}) {
        Peer peer([chunked](int socket) {
            hear(socket, "\r\n\r\n");
            say(socket, std::string("HTTP/1.1 200 OK\r\n") +
                            (chunked ? "Transfer-Encoding: chunked"
                                     : "Content-Length: " + std::to_string(kGiB)) +
                            "\r\n\r\n");
            for (std::uint64_t at = 0; at < kGiB; at += kPeriod) {
                say(socket, chunked ? "100000\r\n" : "");
                say(socket, as_text(piece(at, kPeriod)));
                say(socket, chunked ? "\r\n" : "");
            }
            say(socket, chunked ? "0\r\n\r\n" : "");
        });
        const long before = peak_kib();
        Checker checker;
        const auto response = peer.connection->stream(request("GET"), nullptr, checker.sink());
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->status, 200);
        EXPECT_EQ(response->body, "");
        EXPECT_EQ(checker.size, kGiB);
        EXPECT_TRUE(checker.right);
        EXPECT_LE(checker.most, 65536U);
        EXPECT_TRUE(peer.connection->is_open());
        EXPECT_LT(peak_kib() - before, kSpareKib);
    }
}

// A gibibyte comes from the source, with a length and in chunks.
TEST(HttpStream, UploadsAnySizeInFlatMemory) {
    for (const bool chunked : {false, true}) {
        std::atomic<std::uint64_t> heard = 0;
        Peer peer([&heard, chunked](int socket) {
            std::uint64_t size = hear(socket, "\r\n\r\n").size();
            Bytes bytes(1U << 20U);
            // The last chunk is awaited as its text, the length by count.
            std::string tail;
            while (chunked ? !tail.ends_with("\r\n0\r\n\r\n") : size < kGiB) {
                const auto got = read_some(socket, bytes);
                if (!got || *got == 0) {
                    return;
                }
                size += *got;
                tail += as_text(ByteView(bytes).first(*got).last(std::min<std::size_t>(*got, 16)));
                tail.erase(0, tail.size() - std::min<std::size_t>(tail.size(), 16));
            }
            heard = size;
            say(socket, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nab");
        });
        const long before = peak_kib();
        std::uint64_t given = 0;
        BodySource upload = source(kGiB, !chunked, given);
        std::string answer;
        const auto response = peer.connection->stream(request("PUT"), &upload, [&](ByteView some) {
            answer.append(as_text(some));
            return Result<>();
        });
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->status, 201);
        EXPECT_EQ(answer, "ab");
        EXPECT_EQ(given, kGiB);
        EXPECT_GE(heard, kGiB);
        EXPECT_TRUE(peer.connection->is_open());
        EXPECT_LT(peak_kib() - before, kSpareKib);
    }
}

// What is sent in chunks and with a length is what this room's own strict server reads.
TEST(HttpStream, ServerReadsWhatIsUploaded) {
    Options options;
    options.limits.body_bytes = 10000000;
    const auto server = start_server(std::move(options));
    for (const bool chunked : {false, true}) {
        Connection connection =
            Connection::over(
                connect_host("localhost", *server->bound_port("tcp"), milliseconds(10000)).value(),
                std::nullopt)
                .value();
        for (const std::uint64_t size : {0ULL, 1ULL, 15ULL, 16ULL, 65536ULL, 1000000ULL}) {
            std::uint64_t given = 0;
            BodySource upload = source(size, !chunked, given);
            Bytes answer;
            const auto response =
                connection.stream(request("POST"), &upload, [&](ByteView some) -> Result<> {
                    answer.insert(answer.end(), some.begin(), some.end());
                    return {};
                });
            ASSERT_TRUE(response.ok()) << size << response.error().message();
            EXPECT_EQ(as_text(ByteView(answer).first(7)), "POST / ");
            EXPECT_TRUE(std::ranges::equal(ByteView(answer).subspan(7),
                                           piece(0, static_cast<std::size_t>(size))))
                << size;
        }
        EXPECT_TRUE(connection.is_open());
    }
}

// An empty body is all sent with its head, however early the response: the connection stays open.
TEST(HttpStream, KeepsTheConnectionAfterAnEmptyUpload) {
    FdPair pair = make_socket_pair(SOCK_STREAM).value();
    Connection connection = Connection::over(std::move(pair.first), std::nullopt).value();
    for (int i = 0; i < 2; ++i) {
        say(pair.second.get(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        std::uint64_t given = 0;
        BodySource upload = source(0, true, given);
        const auto response = connection.stream(request("PUT"), &upload, nothing());
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_TRUE(connection.is_open());
    }
}

// A response to half an upload is the answer; nobody waits for the other.
TEST(HttpStream, TakesAnEarlyResponse) {
    Peer peer([](int socket) {
        hear(socket, "\r\n\r\n");
        say(socket, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
        // It hears no more, and does not go away either, until the client does.
        Bytes bytes(1);
        pollfd one{.fd = socket, .events = POLLRDHUP, .revents = 0};
        ::poll(&one, 1, -1);
    });
    std::uint64_t given = 0;
    BodySource upload = source(kGiB, true, given);
    const auto response = peer.connection->stream(request("PUT"), &upload, nothing());
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->status, 413);
    EXPECT_EQ(response->body, "no!");
    EXPECT_LT(given, kGiB);
    EXPECT_FALSE(peer.connection->is_open());
}

// A server that answers before it reads on, and whose answer ends after the request's body.
TEST(HttpStream, SendsAndReceivesAtOnce) {
    constexpr std::uint64_t kHalf = 8U << 20U;
    Peer peer([](int socket) {
        std::uint64_t size = hear(socket, "\r\n\r\n").size();
        say(socket, "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(2 * kHalf) + "\r\n\r\n");
        const auto say_half = [socket] {
            for (std::uint64_t at = 0; at < kHalf; at += kPeriod) {
                say(socket, as_text(piece(at, kPeriod)));
            }
        };
        say_half();
        Bytes bytes(65536);
        while (size < kHalf) {
            const auto got = read_some(socket, bytes);
            if (!got || *got == 0) {
                return;
            }
            size += *got;
        }
        say_half();
    });
    std::uint64_t given = 0;
    BodySource upload = source(kHalf, true, given);
    Checker checker;
    const auto response = peer.connection->stream(request("POST"), &upload, checker.sink());
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(checker.size, 2 * kHalf);
    EXPECT_TRUE(checker.right);
    EXPECT_TRUE(peer.connection->is_open());
}

// Only bodies of 2xx go to the sink; the others are held, up to the limit.
TEST(HttpStream, HoldsOtherBodies) {
    const auto answered = [](const std::string& text) {
        Peer peer(
            [text](int socket) {
                hear(socket, "\r\n\r\n");
                say(socket, text);
            },
            {.body_bytes = 100});
        return peer.connection->stream(request("GET"), nullptr, [](ByteView) -> Result<> {
            ADD_FAILURE();
            return {};
        });
    };
    const std::string head = "HTTP/1.1 404 Not Found\r\n";
    const auto held = answered(head + "Content-Length: 4\r\n\r\nnone");
    ASSERT_TRUE(held.ok());
    EXPECT_EQ(held->body, "none");
    for (const std::string& more :
         {std::string("Content-Length: 101\r\n\r\n"), "\r\n" + std::string(101, 'x'),
          std::string("Transfer-Encoding: chunked\r\n\r\n65\r\n")}) {
        const auto refused = answered(head + more);
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(HttpErrc::too_large)) << refused.error().message();
    }
    EXPECT_TRUE(answered("HTTP/1.1 204 No Content\r\n\r\n").ok());
}

// A body that ends early is an error, whatever tells its end.
TEST(HttpStream, NoticesTruncation) {
    for (const char* framing :
         {"Content-Length: 100000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n186a0\r\n"}) {
        Peer peer([framing](int socket) {
            hear(socket, "\r\n\r\n");
            say(socket, std::string("HTTP/1.1 200 OK\r\n") + framing);
            say(socket, as_text(piece(0, 99999)));
        });
        Checker checker;
        const auto response = peer.connection->stream(request("GET"), nullptr, checker.sink());
        ASSERT_FALSE(response.ok());
        EXPECT_TRUE(response.error().is(HttpErrc::bad_message)) << response.error().message();
        EXPECT_EQ(checker.size, 99999U);
        EXPECT_FALSE(peer.connection->is_open());
    }
}

enum class Own : std::uint8_t { full };
std::string_view describe(Own /*code*/) {
    return "own";
}

// The sink's error and the source's are the stream's, and nothing goes on after them.
TEST(HttpStream, EndsWithTheErrorOfItsEnds) {
    for (const char* framing : {"Content-Length: 10000000", "Transfer-Encoding: chunked", "X: y"}) {
        Peer peer([framing](int socket) {
            hear(socket, "\r\n\r\n");
            say(socket, std::string("HTTP/1.1 200 OK\r\n") + framing + "\r\n\r\n989680\r\n");
            for (int i = 0; i < 100; ++i) {
                say(socket, std::string(100000, 'x'));
            }
        });
        int calls = 0;
        const auto response =
            peer.connection->stream(request("GET"), nullptr, [&](ByteView) -> Result<> {
                ++calls;
                return Error(Own::full, "no room");
            });
        ASSERT_FALSE(response.ok());
        EXPECT_TRUE(response.error().is(Own::full)) << response.error().message();
        EXPECT_EQ(calls, 1);
        EXPECT_FALSE(peer.connection->is_open());
    }
    Peer peer(hear_all);
    BodySource bad{.size = {}, .read = [](MutableBytes) -> Result<std::size_t> {
                       return Error(Own::full, "unreadable");
                   }};
    const auto response = peer.connection->stream(request("PUT"), &bad, nothing());
    ASSERT_FALSE(response.ok());
    EXPECT_TRUE(response.error().is(Own::full)) << response.error().message();
    EXPECT_FALSE(peer.connection->is_open());
}

// A source that ends before its size would leave the server waiting.
TEST(HttpStream, RefusesASourceThatEndsEarly) {
    Peer peer(hear_all);
    std::uint64_t given = 0;
    BodySource shorter = source(100, true, given);
    shorter.size = 101;
    const auto response = peer.connection->stream(request("PUT"), &shorter, nothing());
    ASSERT_FALSE(response.ok());
    EXPECT_TRUE(response.error().is(HttpErrc::bad_argument));
    EXPECT_EQ(response.error().detail(),
              "expected a body of 101 bytes, found its end 1 bytes early");
}

// Only a peer that lets nothing move is given up, not one that takes long.
TEST(HttpStream, GivesUpAPeerThatStalls) {
    ClientLimits limits;
    limits.exchange = milliseconds(1);
    limits.idle = milliseconds(3000);
    std::atomic<bool> over = false;
    const auto stay = [&over] {
        while (!over) {
            std::this_thread::sleep_for(milliseconds(1));
        }
    };
    {
        // Longer in all than idle, and than exchange.
        Peer slow(
            [](int socket) {
                hear(socket, "\r\n\r\n");
                say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
                for (int i = 0; i < 10; ++i) {
                    std::this_thread::sleep_for(milliseconds(350));
                    say(socket, "x");
                }
            },
            limits);
        const auto response = slow.connection->stream(request("GET"), nullptr, nothing());
        EXPECT_TRUE(response.ok()) << response.error().message();
    }
    limits.idle = milliseconds(100);
    for (const char* begun : {"", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"}) {
        for (const bool uploads : {false, true}) {
            over = false;
            Peer peer(
                [&, begun](int socket) {
                    say(socket, begun);
                    stay();
                },
                limits);
            std::uint64_t given = 0;
            BodySource upload = source(kGiB, true, given);
            const auto response =
                peer.connection->stream(request("PUT"), uploads ? &upload : nullptr, nothing());
            over = true;
            ASSERT_FALSE(response.ok());
            EXPECT_TRUE(response.error().is(HttpErrc::timed_out)) << response.error().message();
        }
    }
}

// A request with a body of its own, or with headers that contradict the upload, is not sent.
TEST(HttpStream, RefusesRequestsThatCantBeWritten) {
    Peer peer(hear_all);
    std::uint64_t given = 0;
    BodySource upload = source(5, true, given);
    std::vector<Request> all(3, request("PUT"));
    all[0].body = "x";
    all[1].headers.emplace_back("Content-Length", "6");
    all[2].headers.emplace_back("Transfer-Encoding", "chunked");
    for (const Request& one : all) {
        const auto response = peer.connection->stream(one, &upload, nothing());
        ASSERT_FALSE(response.ok());
        EXPECT_TRUE(response.error().is(HttpErrc::bad_argument));
        EXPECT_TRUE(peer.connection->is_open());
    }
    EXPECT_EQ(given, 0U);
}

// A name's addresses are tried; what each said is told.
TEST(HttpConnect, TellsWhatItTried) {
    std::uint16_t port = 0;
    {
        const auto server = start_server({});
        port = *server->bound_port("tcp");
        for (const char* host : {"localhost", "127.0.0.1"}) {
            EXPECT_TRUE(connect_host(host, port, milliseconds(10000)).ok()) << host;
        }
    }
    const auto refused = connect_host("127.0.0.1", port, milliseconds(10000));
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(HttpErrc::cannot_connect));
    EXPECT_EQ(refused.error().detail(), "port " + std::to_string(port) +
                                            " of '127.0.0.1' (127.0.0.1: Connection refused: "
                                            "connect)");
    for (const char* host : {"a b", "no-such-host.invalid"}) {
        const auto unknown = connect_host(host, 80, milliseconds(10000));
        ASSERT_FALSE(unknown.ok()) << host;
        EXPECT_TRUE(unknown.error().is(HttpErrc::cannot_connect)) << unknown.error().message();
    }
}

}  // namespace
}  // namespace casemate::http
