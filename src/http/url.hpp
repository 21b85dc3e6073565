// URLs, and the hosts and ports in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/error.hpp"

namespace casemate::http {

// Authority: HOST or HOST:PORT in a URL (RFC 3986 3.2), without a user's name.
struct Authority {
    // host: in small letters; an IPv6 address without its brackets.
    std::string host;
    std::uint16_t port = 0;

    // parse takes own_port where the text has none. Errors: HttpErrc bad_url, also for the port 0.
    [[nodiscard]] static Result<Authority> parse(std::string_view text, std::uint16_t own_port);
};

// bracketed is a host as it stands before a port: an IPv6 address in brackets.
[[nodiscard]] std::string bracketed(const std::string& host);

// Url: an http or https URL (RFC 3986), with nothing in it that an HTTP request could not carry.
struct Url {
    bool secure = true;
    // host: in small letters; an IPv6 address without its brackets.
    std::string host;
    std::uint16_t port = 443;
    // target: path and query, as they were written; begins with '/'.
    std::string target = "/";

    bool operator==(const Url&) const = default;

    // parse takes an absolute URL. Names of users are refused, and not shown, as there may be a
    // password with them; a fragment is left out. Errors: HttpErrc bad_url.
    [[nodiscard]] static Result<Url> parse(std::string_view text);
    // resolve takes what a Location header says: an absolute URL, one without scheme or an absolute
    // path. Errors: as parse.
    [[nodiscard]] Result<Url> resolve(std::string_view location) const;

    // host_field is what the header Host has: the port only where it is not the scheme's own.
    [[nodiscard]] std::string host_field() const;
    // origin is scheme, host and port; text is all of it.
    [[nodiscard]] std::string origin() const;
    [[nodiscard]] std::string text() const { return origin() + target; }
    // same_origin: what may be known to the one may be known to the other.
    [[nodiscard]] bool same_origin(const Url& other) const {
        return secure == other.secure && host == other.host && port == other.port;
    }
};

// is_loopback: "localhost", a name below it, 127.0.0.0/8 or ::1: this machine by any resolver.
[[nodiscard]] bool is_loopback(std::string_view host);

// escape_query percent-encodes a value for a query (RFC 3986 2.3).
[[nodiscard]] std::string escape_query(std::string_view value);

}  // namespace casemate::http
