// HTTP messages as handlers see them, free of any library.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace casemate::http {

// Headers in the order they came; names in lower case, values without the white space around them.
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
    std::string method;
    // target as it was sent: path and query, percent-encoded.
    std::string target;
    Headers headers;
    std::string body;
    // peer is the other side's address: "192.0.2.1", or "unix" for a unix socket.
    std::string peer;
    // secure: it came over TLS.
    bool secure = false;

    // header gives the first value under a name in lower case; empty when there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const {
        for (const auto& [key, value] : headers) {
            if (key == name) {
                return value;
            }
        }
        return {};
    }
};

struct Response {
    unsigned status = 200;
    // Content-Length, Connection and Date are the server's.
    Headers headers;
    std::string body;
};

}  // namespace casemate::http
