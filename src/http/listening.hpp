// Sockets that a server listens on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "http/server.hpp"

namespace casemate::http {

// ListeningSocket: a non-blocking socket; a unix socket's file is removed with it.
class ListeningSocket {
public:
    // open fails with HttpErrc cannot_listen.
    [[nodiscard]] static Result<ListeningSocket> open(const TcpEndpoint& endpoint);
    [[nodiscard]] static Result<ListeningSocket> open(const UnixEndpoint& endpoint);
    ListeningSocket(ListeningSocket&& other) noexcept;
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ListeningSocket(const ListeningSocket&) = delete;
    ListeningSocket& operator=(const ListeningSocket&) = delete;
    ~ListeningSocket() { stop(); }

    [[nodiscard]] int get() const { return socket_.get(); }
    // port of a TCP socket; nothing of a unix socket.
    [[nodiscard]] std::optional<std::uint16_t> port() const { return port_; }
    // stop makes accept fail from now on and removes the file; safe while others accept.
    void stop();

private:
    ListeningSocket() = default;

    UniqueFd socket_;
    std::optional<std::uint16_t> port_;
    // path, while the file is there and this socket's own (device_ and inode_).
    std::string path_;
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
};

}  // namespace casemate::http
