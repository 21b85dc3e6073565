#include "image/registry/url.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::size_t kMaxUrl = 16384;
constexpr std::size_t kMaxHost = 253;

Error refuse(std::string_view text, const std::string& expected) {
    return {ImageErrc::malformed, "expected " + expected + ", found '" + printable(text) + "'"};
}

bool is_address6(const std::string& text) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
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

// read_authority reads HOST or HOST:PORT.
bool read_authority(std::string_view text, Url& url) {
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) {
            return false;
        }
        url.host = small(text.substr(1, end - 1));
        port = text.substr(end + 1);
        if (!is_address6(url.host)) {
            return false;
        }
    } else {
        const std::size_t colon = std::min(text.find(':'), text.size());
        url.host = small(text.substr(0, colon));
        port = text.substr(colon);
        if (!is_name(url.host)) {
            return false;
        }
    }
    return port.empty() || (port.front() == ':' && read_port(port.substr(1), url.port));
}

}  // namespace

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
    if (!read_authority(rest.substr(0, end), url)) {
        return refuse(text, "a host and, perhaps, a port in a URL");
    }
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
    const bool address6 = host.find(':') != std::string::npos;
    return (address6 ? "[" + host + "]" : host) + (own ? "" : ":" + std::to_string(port));
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

}  // namespace casemate::image
