// HTTP messages (RFC 9110), free of any HTTP library.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace casemate::http {

// Header: a field's name, as it was sent, and its value without the space around it.
using Header = std::pair<std::string, std::string>;
// Headers in the order in which they are sent.
using Headers = std::vector<Header>;

// find_header gives the value of the first field of that name, in any case; nullptr where there is
// none. It points into headers.
[[nodiscard]] const std::string* find_header(const Headers& headers, std::string_view name);

// Peer: who sent a request, and by which way.
struct Peer {
    // secure: through TLS.
    bool secure = false;
    // address: "192.0.2.1", "2001:db8::1" (an IPv4 address mapped into IPv6 is written as IPv4);
    // nothing for unix sockets.
    std::optional<std::string> address{};
    // listener: the name of the listener that accepted the connection.
    std::string listener{};
};

// Request: a whole request. What the server hands out keeps RFC 9112: one Host at most (exactly one
// in HTTP/1.1), target in origin form ("/path?query", or "*" for OPTIONS), no control characters
// but tabs in values.
struct Request {
    // method as it was sent: "POST".
    std::string method{};
    // target: path and query as they were sent, percent-encoded.
    std::string target{};
    Headers headers{};
    // body without any transfer coding.
    std::string body{};
    // peer is the server's; a client leaves it alone.
    Peer peer{};
};

// Response: what is answered. Content-Length, Transfer-Encoding, Connection and (where it is
// absent) Date are the server's business: such headers of a handler are left out.
struct Response {
    int status = 200;
    Headers headers{};
    std::string body{};
};

}  // namespace casemate::http
