#include "http/client.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "http/input.hpp"
#include "http/response_parser.hpp"
#include "http/transport.hpp"
#include "http/wire.hpp"

namespace casemate::http {

namespace {

using Clock = std::chrono::steady_clock;

// wait_for waits until the socket is ready for what an attempt wanted.
Result<> wait_for(int socket, Io wanted, Clock::time_point deadline) {
    pollfd one{};
    one.fd = socket;
    one.events = wanted == Io::wants_write ? POLLOUT : POLLIN;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        if (left.count() <= 0) {
            return Error(HttpErrc::timed_out, "the deadline has passed");
        }
        constexpr auto kLongest = std::chrono::milliseconds(60000);
        const int ready = ::poll(&one, 1, static_cast<int>(std::min(left, kLongest).count()));
        if (ready > 0) {
            return {};
        }
        if (ready < 0 && errno != EINTR) {
            return Error(HttpErrc::connection_lost, "the socket can't be waited for");
        }
    }
}

Error lost(const std::string& when) {
    return Error(HttpErrc::connection_lost, "the connection ended " + when);
}

}  // namespace

class Connection::Implementation {
public:
    Implementation(Transport transport, ClientLimits limits)
        : transport_(std::move(transport)), limits_(limits) {}
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;
    ~Implementation() { forget(output_); }

    Result<> shake() {
        const auto deadline = Clock::now() + limits_.handshake;
        while (true) {
            const Io io = transport_.handshake();
            if (io == Io::done) {
                return {};
            }
            if (io != Io::wants_read && io != Io::wants_write) {
                return Error(HttpErrc::tls_failure, transport_.tls_failure());
            }
            CASEMATE_CHECK(wait_for(transport_.socket(), io, deadline));
        }
    }

    Result<Response> exchange(const Request& request) {
        if (!open_) {
            return Error(HttpErrc::bad_argument,
                         "expected an open connection, found one at its end");
        }
        if (!append_request(output_, request)) {
            return Error(HttpErrc::bad_argument,
                         "expected a request with a Host that can be written, found another");
        }
        // Whatever goes wrong from here on leaves a connection that can't be used.
        open_ = false;
        const auto deadline = Clock::now() + limits_.exchange;
        auto sent = send(deadline);
        const bool sent_all = sent.ok();
        // A server may answer, and end its stream, before it has read all.
        auto response = sent_all || sent.error().is(HttpErrc::connection_lost)
                            ? receive(request.method == "HEAD", deadline)
                            : Result<Response>(std::move(sent).error());
        input_.clear();
        forget(output_);
        open_ = open_ && sent_all;
        return response;
    }

    [[nodiscard]] bool is_open() const { return open_; }

private:
    Result<> send(Clock::time_point deadline) {
        std::size_t sent = 0;
        while (sent < output_.size()) {
            const Moved moved = transport_.write(as_bytes(output_).subspan(sent));
            if (moved.io == Io::done) {
                sent += moved.size;
            } else if (moved.io == Io::wants_read || moved.io == Io::wants_write) {
                CASEMATE_CHECK(wait_for(transport_.socket(), moved.io, deadline));
            } else {
                return lost("while the request was sent");
            }
        }
        return {};
    }

    Result<Response> receive(bool to_head, Clock::time_point deadline) {
        ResponseParser parser(limits_.header_bytes, limits_.body_bytes, to_head);
        bool begun = false;
        while (!parser.complete()) {
            const Moved moved = transport_.read(input_.room());
            if (moved.io == Io::done) {
                begun = true;
                input_.add(moved.size);
                CASEMATE_TRY(const std::size_t consumed, parser.put(input_.view()));
                input_.consume(consumed);
            } else if (moved.io == Io::wants_read || moved.io == Io::wants_write) {
                CASEMATE_CHECK(wait_for(transport_.socket(), moved.io, deadline));
            } else if (!begun) {
                return Error(HttpErrc::closed_before_response, "the server closed the connection");
            } else if (moved.io == Io::end) {
                CASEMATE_CHECK(parser.put_end());
            } else {
                return lost("in the response");
            }
        }
        // What comes after a response was not asked for.
        open_ = parser.keep_alive() && input_.empty() && !transport_.holds_bytes();
        return parser.take();
    }

    Transport transport_;
    ClientLimits limits_;
    Input input_;
    std::string output_;
    bool open_ = true;
};

Connection::Connection(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {
}

Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::over(UniqueFd socket, std::optional<TlsClient> tls,
                                    ClientLimits limits) {
    CASEMATE_CHECK(set_nonblocking(socket.get(), true));
    // Where the socket is TCP's: a request must not wait for the acknowledgement of its beginning.
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!tls) {
        return Connection(std::make_unique<Implementation>(Transport(std::move(socket)), limits));
    }
    CASEMATE_TRY(Transport transport,
                 Transport::client(std::move(socket), tls->context.native_handle(), tls->host));
    auto implementation = std::make_unique<Implementation>(std::move(transport), limits);
    CASEMATE_CHECK(implementation->shake());
    return Connection(std::move(implementation));
}

Result<Response> Connection::exchange(const Request& request) {
    return implementation_->exchange(request);
}

bool Connection::is_open() const {
    return implementation_->is_open();
}

}  // namespace casemate::http
