// An HTTP/1.1 server (RFC 9110, RFC 9112) over TCP and unix sockets, with or without TLS.
//
// A number of threads share all connections; a connection is served by one thread at a time, its
// requests in their order. What is ambiguous between implementations (two lengths, obsolete line
// folding, bare line feeds, chunk extensions, trailers …) is refused with 400 and the connection
// closed, so that nobody in between can see other requests than this server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "crypto/tls.hpp"
#include "http/error.hpp"
#include "http/message.hpp"

namespace casemate::http {

// TcpEndpoint: a numeric address ("127.0.0.1", "::1", "0.0.0.0", "::", which is IPv6 only) and a
// port; 0 takes a free one.
struct TcpEndpoint {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;
};

// UnixEndpoint: a socket file. One that is left of a process that is gone is replaced; one where
// somebody answers, and a file of another kind, is an error. The file is removed at the end.
struct UnixEndpoint {
    std::string path;
    // mode: 0600 or 0660.
    unsigned mode = 0600;
};

// Listener: one way in.
struct Listener {
    // name tells listeners apart (Peer::listener, replace_tls, bound_port): unique, not empty.
    std::string name;
    std::variant<TcpEndpoint, UnixEndpoint> endpoint;
    // tls: present where the listener speaks TLS, absent where it is plain.
    std::optional<crypto::TlsServerContext> tls{};
};

// Limits on what a peer may take. Times start when the phase does and are kept to within a quarter
// of a second.
struct Limits {
    using Milliseconds = std::chrono::milliseconds;

    // header_bytes: request line and headers together, with their line ends: at most 1 MiB. More is
    // answered with 431.
    std::size_t header_bytes = 32768;
    // headers: their number; more is 431.
    std::size_t headers = 100;
    // body_bytes: without transfer coding; more is 413.
    std::size_t body_bytes = std::size_t{1} << 20U;
    // handshake: to finish the TLS handshake.
    Milliseconds handshake{10000};
    // idle: to begin a request, the first one as well.
    Milliseconds idle{75000};
    // request: from a request's first byte to its last; then 408.
    Milliseconds request{30000};
    // write: to take a whole response.
    Milliseconds write{30000};
    // drain: to close after an answer that came before the request had been read.
    Milliseconds drain{2000};
    // requests_per_connection: the last one is answered with Connection: close.
    std::uint64_t requests_per_connection = 100000;
    // connections in all, and of one numeric address; unix sockets have no second limit. One above
    // is answered with 503 where it is plain, and closed at once.
    std::size_t connections = 4096;
    std::size_t connections_per_address = 1024;
};

// Refusal: a request that the server answers by itself.
struct Refusal {
    // status: 400, 408, 413, 417, 431, 500, 503 or 505.
    int status = 400;
    // reason: what was wrong, in a few words that repeat nothing of the request.
    std::string_view reason;
    const Peer* peer = nullptr;
};

// Handler answers a request. It is called on the server's threads, on several at once, and may
// block for a while; what it throws is answered with 500. The request, and the response after it
// was sent, are cleansed by the server.
using Handler = std::function<Response(const Request&)>;
// RefusalHandler makes the answer to a refused request (its connection is closed after it) and may
// log it. The same rules as for Handler.
using RefusalHandler = std::function<Response(const Refusal&)>;

struct Options {
    std::vector<Listener> listeners{};
    Limits limits{};
    // threads: 0 is max(4, twice the processors).
    unsigned threads = 0;
    // refusals: absent, refusals are answered with their reason as text.
    RefusalHandler refusals{};
};

// Statistics: what has happened since the start. Each number is exact, but they are read one after
// the other.
struct Statistics {
    // Connections that are open now, and how many of them wait for a request.
    std::uint64_t open = 0;
    std::uint64_t idle = 0;
    std::uint64_t accepted = 0;
    // Connections refused because of a limit, and those that could not be accepted for want of
    // descriptors or memory.
    std::uint64_t refused_connections = 0;
    std::uint64_t refused_connections_of_address = 0;
    std::uint64_t accept_failures = 0;
    std::uint64_t handshake_failures = 0;
    // Requests that a handler was called for, and those of them whose handler threw.
    std::uint64_t requests = 0;
    std::uint64_t handler_failures = 0;
    // Requests refused by the server itself: malformed (400, 417, 505) and too large (413, 431).
    std::uint64_t bad_requests = 0;
    std::uint64_t too_large = 0;
    // Connections that were closed because time was up, by phase.
    std::uint64_t handshake_timeouts = 0;
    std::uint64_t idle_timeouts = 0;
    std::uint64_t request_timeouts = 0;
    std::uint64_t write_timeouts = 0;
    // Connections that ended in the middle of a request or of a response.
    std::uint64_t aborted = 0;
    // Bytes of HTTP, before TLS.
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

// Server: started by start, ended by stop or the destructor.
class Server {
public:
    // start listens everywhere and starts the threads. Errors: HttpErrc bad_argument for options
    // that make no sense, cannot_listen; errors of the operating system.
    [[nodiscard]] static Result<std::unique_ptr<Server>> start(Options options, Handler handler);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    // The destructor stops without grace.
    ~Server();

    // bound_port gives the port of a TCP listener; nothing for other names.
    [[nodiscard]] std::optional<std::uint16_t> bound_port(std::string_view listener) const;

    // replace_tls gives new connections of a TLS listener another context; those that are open keep
    // theirs. Errors: HttpErrc bad_argument for a listener that is unknown or plain.
    [[nodiscard]] Result<> replace_tls(std::string_view listener, crypto::TlsServerContext context);

    [[nodiscard]] Statistics statistics() const;

    // stop closes the listeners and the connections that wait for a request, lets requests that
    // have begun finish until the grace is over, then closes what is left. It returns when all
    // threads have ended, so it waits for handlers whatever the grace. The second call does
    // nothing. Not to be called by a handler.
    void stop(std::chrono::milliseconds grace);

private:
    class Implementation;
    explicit Server(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace casemate::http
