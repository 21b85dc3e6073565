#include "http/url.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace casemate::http {

namespace {

constexpr std::size_t kMaxUrl = 16384;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kMaxShown = 200;
constexpr std::string_view kAuthority = "a host and, perhaps, a port in a URL";

// refuse shows what was found unless a password may be in it.
Error refuse(std::string_view text, std::string_view expected) {
    std::string found(text.substr(0, kMaxShown));
    std::replace_if(
        found.begin(), found.end(), [](char c) { return c < 0x20 || c == 0x7f; }, '?');
    return {HttpErrc::bad_url,
            "expected " + std::string(expected) + ", found " +
                (text.find('@') == std::string_view::npos ? "'" + found + "'"
                                                          : "a text with '@' in it")};
}

bool is_address6(const std::string& text) {
    in6_addr address{};
    return text.find('\0') == std::string::npos &&
           ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxHost &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                      c == '_';
           });
}

bool read_port(std::string_view text, std::uint16_t& port) {
    unsigned value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9' || text.size() > 5) {
            return false;
        }
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    port = static_cast<std::uint16_t>(value);
    return value >= 1 && value <= 65535;
}

std::string small(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return result;
}

}  // namespace

Result<Authority> Authority::parse(std::string_view text, std::uint16_t own_port) {
    const Error refused = refuse(text, kAuthority);
    Authority found{{}, own_port};
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return refused;
        }
        found.host = small(text.substr(1, end - 1));
        port = text.substr(end + 1);
        if (!is_address6(found.host)) {
            return refused;
        }
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        found.host = small(text.substr(0, colon));
        port = text.substr(colon);
        if (!is_name(found.host)) {
            return refused;
        }
    }
    if (!port.empty() && (port.front() != ':' || !read_port(port.substr(1), found.port))) {
        return refused;
    }
    return found;
}

std::string bracketed(const std::string& host) {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

Result<Url> Url::parse(std::string_view text) {
    std::string_view rest = text;
    Url url;
    if (small(rest.substr(0, 8)) == "https://") {
        rest.remove_prefix(8);
    } else if (small(rest.substr(0, 7)) == "http://") {
        rest.remove_prefix(7);
        url.secure = false;
        url.port = 80;
    } else {
        return refuse(text, "a URL that begins with https:// or http://");
    }
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7f && c != '"' && c != '<' && c != '>' && c != '\\';
    });
    if (!plain || text.size() > kMaxUrl) {
        return refuse(text, "a URL of at most 16384 characters that a URL can have");
    }
    rest = rest.substr(0, rest.find('#'));
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    auto authority = Authority::parse(rest.substr(0, end), url.port);
    if (!authority) {
        // With all of the text, so that a password with a '/' is seen for one.
        return refuse(text, kAuthority);
    }
    url.host = std::move(authority->host);
    url.port = authority->port;
    rest.remove_prefix(end);
    url.target = (rest.starts_with('/') ? "" : "/") + std::string(rest);
    return url;
}

Result<Url> Url::resolve(std::string_view location) const {
    if (location.starts_with("//")) {
        return parse((secure ? "https:" : "http:") + std::string(location));
    }
    if (location.starts_with('/')) {
        return parse(origin() + std::string(location));
    }
    return parse(location);
}

std::string Url::host_field() const {
    const bool own = port == (secure ? 443 : 80);
    return bracketed(host) + (own ? "" : ":" + std::to_string(port));
}

std::string Url::origin() const {
    return (secure ? "https://" : "http://") + host_field();
}

bool is_loopback(std::string_view host) {
    const std::string text(host);
    in_addr address{};
    in6_addr address6{};
    if (::inet_pton(AF_INET, text.c_str(), &address) == 1) {
        return (ntohl(address.s_addr) >> 24U) == 127;
    }
    if (::inet_pton(AF_INET6, text.c_str(), &address6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&address6);
    }
    return host == "localhost" || host.ends_with(".localhost");
}

std::string escape_query(std::string_view value) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string escaped;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            escaped += c;
        } else {
            escaped += '%';
            escaped += kDigits[byte >> 4U];
            escaped += kDigits[byte & 15U];
        }
    }
    return escaped;
}

}  // namespace casemate::http
