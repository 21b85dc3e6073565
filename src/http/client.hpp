// An HTTP/1.1 client (RFC 9110, RFC 9112) of one connection over a stream socket that somebody else
// connected: TCP, unix or vsock. Synchronous, without threads; each call has a deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "crypto/tls.hpp"
#include "http/body.hpp"
#include "http/error.hpp"
#include "http/message.hpp"

namespace casemate::http {

// TlsClient: with whom TLS is to be spoken.
struct TlsClient {
    // context holds the only certificates that are trusted.
    crypto::TlsClientContext context;
    // host: the name or the numeric address that the server's certificate must be for.
    std::string host;
};

struct ClientLimits {
    using Milliseconds = std::chrono::milliseconds;

    // handshake: for over; exchange: from the request's first byte to the response's last.
    Milliseconds handshake{10000};
    Milliseconds exchange{60000};
    // idle: in a stream, how long nothing may move.
    Milliseconds idle{60000};
    // header_bytes and body_bytes of a response, as far as its body is held in memory.
    std::size_t header_bytes = 65536;
    std::size_t body_bytes = std::size_t{16} << 20U;
};

// Connection: an open connection. One exchange at a time; not safe to use from several threads at
// once. What it read and wrote is cleansed after each exchange.
class Connection {
public:
    // over takes a connected stream socket over, and shakes hands where TLS is asked for. Errors:
    // HttpErrc tls_failure, timed_out, connection_lost.
    [[nodiscard]] static Result<Connection> over(UniqueFd socket, std::optional<TlsClient> tls,
                                                 ClientLimits limits = {});
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&& other) noexcept;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // exchange sends a request and waits for its response. Host is the caller's to give, in the
    // headers; Content-Length is added, and Connection and Transfer-Encoding must not be there.
    // Interim responses (1xx) are passed over. The body is sent at once, as far as no response
    // comes before its end. After an error, and after a response that ends the connection, is_open
    // is false. Errors: HttpErrc bad_argument for a request that can't be written and for a
    // connection that is not open, too_large, bad_message, timed_out, connection_lost,
    // closed_before_response.
    [[nodiscard]] Result<Response> exchange(const Request& request);

    // stream does the same with bodies of any size, which are never whole in memory. upload, where
    // there is one, gives the request's body, whose own must be empty. The body of a response of
    // status 2xx goes to the sink as it comes in (the size is the sink's to limit), any other into
    // Response::body. A response that comes before the upload is at its end is the answer: the rest
    // is not sent, and the connection is not open after it. There is no deadline but
    // ClientLimits::idle. Errors: exchange's; the source's and the sink's; HttpErrc bad_argument
    // where the source ends before its size.
    [[nodiscard]] Result<Response> stream(const Request& request, BodySource* upload,
                                          const BodySink& sink);

    // is_open tells whether another exchange may be tried.
    [[nodiscard]] bool is_open() const;

private:
    class Implementation;
    explicit Connection(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace casemate::http
