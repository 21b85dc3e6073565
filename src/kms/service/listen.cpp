#include "kms/service/listen.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

namespace casemate::kms::service {

namespace {

Error refused(std::string_view text, std::string_view expected) {
    return {ServiceErrc::bad_option,
            "listen: expected " + std::string(expected) + ", found \"" + std::string(text) + "\""};
}

template <class T>
std::optional<T> parse_number(std::string_view text) {
    T value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
        return std::nullopt;
    }
    return value;
}

// is_numeric tells whether an address is one, and loopback whether it is this machine's own.
bool is_numeric(const std::string& address, bool& loopback) {
    in_addr four{};
    if (::inet_pton(AF_INET, address.c_str(), &four) == 1) {
        loopback = (ntohl(four.s_addr) >> 24U) == 127;
        return true;
    }
    in6_addr six{};
    if (::inet_pton(AF_INET6, address.c_str(), &six) == 1) {
        loopback = std::memcmp(&six, &in6addr_loopback, sizeof six) == 0;
        return true;
    }
    return false;
}

Result<ListenAddress> parse_tcp(std::string_view text, std::string_view address) {
    constexpr std::string_view kExpected =
        "HOST:PORT with a numeric host (127.0.0.1:8443, [::1]:8443) or localhost, unix:PATH, "
        "vsock:PORT, or http: before one of them";
    const std::size_t colon = address.rfind(':');
    if (colon == std::string_view::npos) {
        return refused(text, kExpected);
    }
    std::string_view host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return refused(text, kExpected);
    }
    http::TcpEndpoint endpoint;
    endpoint.address = host == "localhost" ? "127.0.0.1" : std::string(host);
    const auto port = parse_number<std::uint16_t>(address.substr(colon + 1));
    ListenAddress out;
    if (!port || !is_numeric(endpoint.address, out.local)) {
        return refused(text, kExpected);
    }
    endpoint.port = *port;
    out.endpoint = std::move(endpoint);
    return out;
}

Result<ListenAddress> parse_unix(std::string_view text, std::string path) {
    // What struct sockaddr_un holds, with its final NUL.
    constexpr std::size_t kMaxPath = 107;
    if (path.empty() || path.size() > kMaxPath || path.find('\0') != std::string::npos) {
        return refused(text, "a path of 1 to 107 bytes");
    }
    ListenAddress out;
    out.endpoint = http::UnixEndpoint{.path = std::move(path)};
    out.local = true;
    return out;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text, const std::string& parent_ports) {
    constexpr std::string_view kPlain = "http:";
    constexpr std::string_view kUnix = "unix:";
    constexpr std::string_view kVsock = "vsock:";
    const bool plain = text.starts_with(kPlain);
    const std::string_view address = plain ? text.substr(kPlain.size()) : text;
    Result<ListenAddress> out = Error(ServiceErrc::bad_option, "");
    if (address.starts_with(kUnix)) {
        out = parse_unix(text, std::string(address.substr(kUnix.size())));
    } else if (address.starts_with(kVsock)) {
        const auto port = parse_number<std::uint32_t>(address.substr(kVsock.size()));
        if (plain || !port || *port == 0 || *port == std::numeric_limits<std::uint32_t>::max()) {
            return refused(text, "vsock:PORT with a port of 1 to 4294967294, always with TLS");
        }
        out = parse_unix(text, parent_ports + "/" + std::to_string(*port));
    } else {
        out = parse_tcp(text, address);
    }
    if (!out) {
        return out;
    }
    if (plain && !out->local) {
        return refused(text, "plain HTTP on loopback or a unix socket only");
    }
    out->text = text;
    out->tls = !plain;
    return out;
}

}  // namespace casemate::kms::service
