// Transport: a non-blocking stream socket, with TLS or without, for both sides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace casemate::http {

// Io: how an attempt to move bytes ended.
enum class Io : std::uint8_t {
    done,
    // The socket must become readable or writable first.
    wants_read,
    wants_write,
    // The peer has ended its stream.
    end,
    failed,
};

struct Moved {
    Io io = Io::failed;
    // size: bytes moved, at least one where io is done.
    std::size_t size = 0;
};

class Transport {
public:
    // A plain transport. The socket is made non-blocking by the caller.
    explicit Transport(UniqueFd socket) : socket_(std::move(socket)) {}
    // A server's, or a client's that insists on a certificate for host, a name or an address. The
    // context is kept alive. Errors: HttpErrc bad_argument for a host that is neither.
    [[nodiscard]] static Transport server(UniqueFd socket, ssl_ctx_st* context);
    [[nodiscard]] static Result<Transport> client(UniqueFd socket, ssl_ctx_st* context,
                                                  const std::string& host);

    // handshake goes on with the TLS handshake; a plain transport is done at once.
    [[nodiscard]] Io handshake();
    [[nodiscard]] Moved read(MutableBytes into);
    [[nodiscard]] Moved write(ByteView bytes);
    // holds_bytes: some came in already that the socket does not tell of any more.
    [[nodiscard]] bool holds_bytes() const;
    // end_writing tells the peer that nothing follows, as far as that is possible at once.
    void end_writing();
    // tls_failure says why TLS failed on this thread just now; OpenSSL's queue is empty after it.
    [[nodiscard]] std::string tls_failure() const;

    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] bool secure() const { return tls_ != nullptr; }

private:
    struct FreeTls {
        void operator()(ssl_st* tls) const;
    };

    Transport(UniqueFd socket, ssl_ctx_st* context);
    [[nodiscard]] Io tls_result(int result) const;

    // In this order: TLS is ended before its socket is closed.
    UniqueFd socket_;
    std::unique_ptr<ssl_st, FreeTls> tls_;
    bool shaken_ = false;
};

}  // namespace casemate::http
