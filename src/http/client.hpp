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
    // header_bytes and body_bytes of a response.
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
    // Interim responses (1xx) are passed over. The body is sent at once. After an error, and after
    // a response that ends the connection, is_open is false. Errors: HttpErrc bad_argument for a
    // request that can't be written and for a connection that is not open, too_large, bad_message,
    // timed_out, connection_lost, closed_before_response.
    [[nodiscard]] Result<Response> exchange(const Request& request);

    // is_open tells whether another exchange may be tried.
    [[nodiscard]] bool is_open() const;

private:
    class Implementation;
    explicit Connection(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

}  // namespace casemate::http
