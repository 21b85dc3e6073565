// A server on loopback and plain sockets to talk to it, for tests.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "crypto/tls.hpp"
#include "http/client.hpp"
#include "http/server.hpp"
#include "http/wire.hpp"

namespace casemate::http {

// TestAuthority: an authority, and a server's certificate of it for localhost and 127.0.0.1.
struct TestAuthority {
    explicit TestAuthority(crypto::Curve curve = crypto::Curve::p256) {
        using Kind = crypto::AlternativeName::Kind;
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        const auto root = crypto::make_tls_authority(
            {{"CN", "authority"}}, now - std::chrono::hours(1), now + std::chrono::hours(24));
        const auto made =
            crypto::make_tls_server({.curve = curve,
                                     .subject = {{"CN", "server"}},
                                     .names = {{Kind::dns, "localhost"}, {Kind::ip, "127.0.0.1"}},
                                     .not_before = now - std::chrono::hours(1),
                                     .not_after = now + std::chrono::hours(12)},
                                    *root);
        pem = root->certificate.to_pem();
        server = crypto::TlsServerContext::make({made->certificate}, made->key).value();
        client = crypto::TlsClientContext::from_pem(as_bytes(pem)).value();
    }

    std::string pem;
    std::optional<crypto::TlsServerContext> server;
    std::optional<crypto::TlsClientContext> client;
};

inline const TestAuthority& authority() {
    static const TestAuthority made;
    return made;
}

inline Listener tcp_listener() {
    return {.name = "tcp", .endpoint = TcpEndpoint{}, .tls = {}};
}

inline Listener tls_listener() {
    return {.name = "tls", .endpoint = TcpEndpoint{}, .tls = authority().server};
}

// echo answers "METHOD TARGET BODY".
inline Response echo(const Request& request) {
    return {.status = 200,
            .headers = {{"Content-Type", "text/plain"}},
            .body = request.method + " " + request.target + " " + request.body};
}

inline std::unique_ptr<Server> start_server(Options options, Handler handler = echo) {
    if (options.listeners.empty()) {
        options.listeners.push_back(tcp_listener());
    }
    if (options.threads == 0) {
        options.threads = 4;
    }
    auto started = Server::start(std::move(options), std::move(handler));
    if (!started) {
        ADD_FAILURE() << started.error().message();
        std::abort();
    }
    return std::move(started).value();
}

inline UniqueFd connect_tcp(std::uint16_t port) {
    UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
        0) {
        socket.reset();
    }
    return socket;
}

// Raw: a blocking socket to say anything through; no wait is longer than half a minute.
class Raw {
public:
    explicit Raw(UniqueFd socket) : socket_(std::move(socket)) {
        const timeval longest{.tv_sec = 30, .tv_usec = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
    }
    explicit Raw(const Server& server) : Raw(connect_tcp(*server.bound_port("tcp"))) {}

    // send is false when the peer is gone.
    [[nodiscard]] bool send(std::string_view bytes) const {
        return write_all(socket_.get(), as_bytes(bytes)).ok();
    }
    void half_close() const { ::shutdown(socket_.get(), SHUT_WR); }
    void close() { socket_.reset(); }

    // receive_all gives all until the peer ends its stream or resets the connection.
    [[nodiscard]] std::string receive_all() {
        while (more()) {
        }
        return std::exchange(rest_, std::string());
    }

    // receive_response gives one response with a Content-Length; less where the peer ends.
    [[nodiscard]] std::string receive_response() {
        while (true) {
            const std::size_t head = rest_.find("\r\n\r\n");
            const std::size_t length = rest_.find("Content-Length: ");
            if (head != std::string::npos) {
                const std::size_t body =
                    length < head ? std::strtoul(rest_.c_str() + length + 16, nullptr, 10) : 0;
                if (rest_.size() >= head + 4 + body) {
                    std::string response = rest_.substr(0, head + 4 + body);
                    rest_.erase(0, response.size());
                    return response;
                }
            }
            if (!more()) {
                return std::exchange(rest_, std::string());
            }
        }
    }

private:
    bool more() {
        Bytes bytes(65536);
        const auto got = read_some(socket_.get(), bytes);
        if (!got || *got == 0) {
            return false;
        }
        rest_.append(as_text(ByteView(bytes).first(*got)));
        return true;
    }

    UniqueFd socket_;
    std::string rest_;
};

// status_of gives the status of the first response in bytes; 0 where there is none.
inline int status_of(std::string_view bytes) {
    return bytes.substr(0, 9) == "HTTP/1.1 " && bytes.size() > 12
               ? std::atoi(std::string(bytes.substr(9, 3)).c_str())
               : 0;
}

// count_of counts how often text is in bytes.
inline std::size_t count_of(std::string_view bytes, std::string_view text) {
    std::size_t found = 0;
    for (std::size_t at = bytes.find(text); at != std::string_view::npos;
         at = bytes.find(text, at + text.size())) {
        ++found;
    }
    return found;
}

// eventually waits until something is so; false after half a minute.
inline bool eventually(const std::function<bool()>& is_so) {
    for (int i = 0; i < 6000; ++i) {
        if (is_so()) {
            return true;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

}  // namespace casemate::http
