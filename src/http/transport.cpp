#include "http/transport.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "http/error.hpp"

namespace casemate::http {

namespace {

// OpenSSL's own BIO for sockets writes with write(2), which raises SIGPIPE; this one does not.
int socket_of(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool would_block() {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int bio_write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t sent =
        ::send(socket_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent < 0 && would_block()) {
        BIO_set_retry_write(bio);
    }
    return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t got = ::recv(socket_of(bio), bytes, static_cast<std::size_t>(size), 0);
    if (got < 0 && would_block()) {
        BIO_set_retry_read(bio);
    }
    if (got == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return static_cast<int>(got);
}

long bio_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
    switch (command) {
        case BIO_CTRL_FLUSH:
            return 1;
        case BIO_CTRL_EOF:
            return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        default:
            return 0;
    }
}

BIO_METHOD* make_bio_method() {
    BIO_METHOD* const method =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without signals");
    if (method == nullptr || BIO_meth_set_write(method, bio_write) != 1 ||
        BIO_meth_set_read(method, bio_read) != 1 || BIO_meth_set_ctrl(method, bio_control) != 1) {
        std::abort();
    }
    return method;
}

BIO* make_bio(int socket) {
    // For all of the process's life.
    static BIO_METHOD* const method = make_bio_method();
    BIO* const bio = BIO_new(method);
    if (bio == nullptr) {
        std::abort();
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): a number is all that this BIO keeps
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
    BIO_set_init(bio, 1);
    return bio;
}

bool is_host_name(const std::string& host) {
    return !host.empty() && host.size() <= 253 && host.front() != '.' &&
           std::all_of(host.begin(), host.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '-' || c == '.' || c == '_';
           });
}

int clamp(std::size_t size) {
    return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

}  // namespace

void Transport::FreeTls::operator()(ssl_st* tls) const {
    SSL_free(tls);
}

Transport::Transport(UniqueFd socket, ssl_ctx_st* context)
    : socket_(std::move(socket)), tls_(SSL_new(context)) {
    if (!tls_) {
        // Only for want of memory.
        std::abort();
    }
    BIO* const bio = make_bio(socket_.get());
    SSL_set_bio(tls_.get(), bio, bio);
    SSL_set_mode(tls_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // Buffers that are released after each record would be cleansed whole each time. One system
    // call for a record instead of two; what was decrypted is not left in the buffer.
    SSL_clear_mode(tls_.get(), SSL_MODE_RELEASE_BUFFERS);
    SSL_set_read_ahead(tls_.get(), 1);
    SSL_set_options(tls_.get(), SSL_OP_CLEANSE_PLAINTEXT);
}

Transport Transport::server(UniqueFd socket, ssl_ctx_st* context) {
    Transport made(std::move(socket), context);
    SSL_set_accept_state(made.tls_.get());
    return made;
}

Result<Transport> Transport::client(UniqueFd socket, ssl_ctx_st* context, const std::string& host) {
    Transport made(std::move(socket), context);
    SSL* const tls = made.tls_.get();
    SSL_set_connect_state(tls);
    X509_VERIFY_PARAM* const rules = SSL_get0_param(tls);
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1) {
        return made;
    }
    ERR_clear_error();
    // Whatever is no address must be a name; an empty one would allow any.
    const bool is_name = is_host_name(host) &&
                         X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size()) == 1 &&
                         SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                  const_cast<char*>(host.c_str())) == 1;
    if (!is_name) {
        ERR_clear_error();
        return Error(HttpErrc::bad_argument, "expected a host's name or address for TLS");
    }
    return made;
}

Io Transport::tls_result(int result) const {
    switch (SSL_get_error(tls_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return Io::wants_read;
        case SSL_ERROR_WANT_WRITE:
            return Io::wants_write;
        case SSL_ERROR_ZERO_RETURN:
            return Io::end;
        default:
            return Io::failed;
    }
}

Io Transport::handshake() {
    if (!tls_ || shaken_) {
        return Io::done;
    }
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    if (result == 1) {
        shaken_ = true;
        return Io::done;
    }
    return tls_result(result);
}

Moved Transport::read(MutableBytes into) {
    if (tls_) {
        ERR_clear_error();
        const int got = SSL_read(tls_.get(), into.data(), clamp(into.size()));
        if (got > 0) {
            return {Io::done, static_cast<std::size_t>(got)};
        }
        return {tls_result(got), 0};
    }
    const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (got > 0) {
        return {Io::done, static_cast<std::size_t>(got)};
    }
    if (got == 0) {
        return {Io::end, 0};
    }
    return {would_block() ? Io::wants_read : Io::failed, 0};
}

Moved Transport::write(ByteView bytes) {
    if (tls_) {
        ERR_clear_error();
        const int put = SSL_write(tls_.get(), bytes.data(), clamp(bytes.size()));
        if (put > 0) {
            return {Io::done, static_cast<std::size_t>(put)};
        }
        return {tls_result(put), 0};
    }
    const ssize_t put = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) {
        return {Io::done, static_cast<std::size_t>(put)};
    }
    return {would_block() ? Io::wants_write : Io::failed, 0};
}

bool Transport::holds_bytes() const {
    return tls_ && SSL_has_pending(tls_.get()) == 1;
}

void Transport::end_writing() {
    if (tls_ && shaken_) {
        ERR_clear_error();
        // Best effort: where the socket is full, the peer sees the end of the stream alone.
        static_cast<void>(SSL_shutdown(tls_.get()));
        ERR_clear_error();
    }
    ::shutdown(socket_.get(), SHUT_WR);
}

std::string Transport::tls_failure() const {
    const long verified = SSL_get_verify_result(tls_.get());
    if (verified != X509_V_OK) {
        ERR_clear_error();
        return X509_verify_cert_error_string(verified);
    }
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason != nullptr ? reason : "the connection ended";
}

}  // namespace casemate::http
