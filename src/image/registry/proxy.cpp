#include "image/registry/proxy.hpp"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "base/environment.hpp"
#include "codec/base64.hpp"
#include "http/connect.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxHeader = 16384;

std::string variable(const char* name, const char* other) {
    for (const char* one : {name, other}) {
        if (std::string value = environment(one); !value.empty()) {
            return value;
        }
    }
    return "";
}

// Address: an IPv4 or IPv6 address' bytes; empty for none.
Bytes address_of(const std::string& text) {
    Bytes bytes(16);
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
        return bytes;
    }
    bytes.resize(4);
    if (::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1) {
        return bytes;
    }
    return {};
}

bool is_in_network(const Bytes& address, const std::string& network) {
    const std::size_t slash = network.find('/');
    const Bytes begin = address_of(network.substr(0, slash));
    const std::string digits =
        slash == std::string::npos ? std::to_string(8 * begin.size()) : network.substr(slash + 1);
    if (address.empty() || begin.size() != address.size() || digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string::npos) {
        return false;
    }
    const auto bits = static_cast<std::size_t>(std::stoi(digits));
    if (bits > 8 * begin.size()) {
        return false;
    }
    for (std::size_t i = 0; i < bits; ++i) {
        const unsigned mask = 0x80U >> (i % 8);
        if (((begin[i / 8] ^ address[i / 8]) & mask) != 0) {
            return false;
        }
    }
    return true;
}

// names tells whether one entry of NO_PROXY is about a URL.
bool names(std::string entry, const http::Url& url) {
    entry.erase(0, std::min(entry.find_first_not_of(" \t"), entry.size()));
    entry.erase(entry.find_last_not_of(" \t") + 1);
    if (entry.empty()) {
        return false;
    }
    if (entry == "*" || is_in_network(address_of(url.host), entry)) {
        return true;
    }
    const std::size_t colon = entry.rfind(':');
    if (colon != std::string::npos) {
        if (entry.substr(colon + 1) != std::to_string(url.port)) {
            return false;
        }
        entry.resize(colon);
    }
    const std::string below = entry.front() == '.' ? entry : "." + entry;
    return url.host == entry || url.host.ends_with(below);
}

bool is_excepted(const http::Url& url) {
    const std::string list = variable("NO_PROXY", "no_proxy");
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        if (names(list.substr(begin, end - begin), url)) {
            return true;
        }
        begin = end + 1;
    }
    return http::is_loopback(url.host);
}

// unescape undoes percent-encoding.
std::optional<Bytes> unescape(std::string_view text) {
    Bytes bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            bytes.push_back(static_cast<std::uint8_t>(text[i]));
            continue;
        }
        const auto byte = from_hex(text.substr(i + 1, 2));
        if (!byte || byte->size() != 1) {
            return std::nullopt;
        }
        bytes.push_back(byte->front());
        i += 2;
    }
    return bytes;
}

std::string authority_of(const http::Url& url) {
    return http::bracketed(url.host) + ":" + std::to_string(url.port);
}

// read_head reads a response's head and not a byte more, which would be TLS already.
Result<std::string> read_head(int socket, Clock::time_point deadline) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd one{socket, POLLIN, 0};
        const int ready = left.count() <= 0 ? 0 : ::poll(&one, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return Error(http::HttpErrc::timed_out, "the proxy does not answer");
        }
        std::uint8_t byte = 0;
        const auto got = read_some(socket, {&byte, 1});
        if (!got || *got == 0 || head.size() == kMaxHeader) {
            return Error(http::HttpErrc::connection_lost, "the proxy does not answer CONNECT");
        }
        head += static_cast<char>(byte);
    }
    return head;
}

}  // namespace

Result<std::optional<Proxy>> proxy_for(const http::Url& url) {
    const std::string text = variable("HTTPS_PROXY", "https_proxy");
    if (!url.secure || text.empty() || is_excepted(url)) {
        return std::optional<Proxy>();
    }
    // What is wrong is not shown: there may be a password in it.
    const Error refused(ImageErrc::registry,
                        "expected the URL of a proxy, [http://][USER:PASSWORD@]HOST[:PORT], in "
                        "HTTPS_PROXY, found another text");
    std::string_view rest = text;
    if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    }
    if (rest.find("://") != std::string_view::npos) {
        return refused;
    }
    Proxy proxy;
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        auto pair = unescape(rest.substr(0, at));
        if (!pair) {
            return refused;
        }
        const SecretBytes owned(std::move(*pair));
        const std::string value = "Basic " + codec::encode_base64(owned.view());
        const ByteView bytes = as_bytes(value);
        proxy.authorization = SecretBytes(Bytes(bytes.begin(), bytes.end()));
        rest.remove_prefix(at + 1);
    }
    const auto parsed = http::Url::parse("http://" + std::string(rest));
    if (!parsed) {
        return refused;
    }
    proxy.host = parsed->host;
    proxy.port = parsed->port;
    return std::optional(std::move(proxy));
}

Result<UniqueFd> connect_through(const Proxy& proxy, const http::Url& url,
                                 std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    auto connected = http::connect_host(proxy.host, proxy.port, timeout);
    if (!connected) {
        return std::move(connected).error().while_doing("connect to the proxy of HTTPS_PROXY");
    }
    UniqueFd socket = std::move(*connected);
    CASEMATE_CHECK(set_nonblocking(socket.get(), false));
    const std::string authority = authority_of(url);
    std::string request = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    request.reserve(request.size() + proxy.authorization.size() + 64);
    if (!proxy.authorization.empty()) {
        request += "Proxy-Authorization: ";
        request += as_text(proxy.authorization.view());
        request += "\r\n";
    }
    request += "\r\n";
    const auto sent = write_all(socket.get(), as_bytes(request));
    cleanse({reinterpret_cast<std::uint8_t*>(request.data()), request.size()});
    if (!sent) {
        return Error(http::HttpErrc::connection_lost, "the proxy does not take CONNECT");
    }
    CASEMATE_TRY(const std::string head, read_head(socket.get(), deadline));
    if (!head.starts_with("HTTP/1.") || head.size() < 12 || head[8] != ' ' || head[9] != '2') {
        return Error(ImageErrc::registry,
                     "expected the proxy of HTTPS_PROXY to connect to " + authority +
                         ", found: " + printable(head.substr(0, head.find('\r'))));
    }
    return socket;
}

}  // namespace casemate::image
