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
#include "http/wait.hpp"
#include "http/wire.hpp"

namespace casemate::http {

namespace {

using Clock = std::chrono::steady_clock;

// kPiece: how much of a source's body is taken at once.
constexpr std::size_t kPiece = 65536;

short poll_event(Io wanted) {
    switch (wanted) {
        case Io::wants_write:
            return POLLOUT;
        case Io::wants_read:
            return POLLIN;
        default:
            return 0;
    }
}

Error lost(const std::string& when) {
    return Error(HttpErrc::connection_lost, "the connection ended " + when);
}

// Outgoing: a request on its way: its beginning, which is in memory, then what a source gives.
class Outgoing {
public:
    // What begins must not hold anything else, and is used for the pieces that follow.
    Outgoing(std::string& begins, BodySource* source) : text_(&begins), source_(source) {
        // A server may answer at once, so a body that is empty has ended before it is asked for.
        ended_ = source == nullptr || source->size == 0U;
        left_ = ended_ ? std::nullopt : source->size;
    }

    // rest gives what is to be sent next; nothing at the end.
    Result<ByteView> rest() {
        if (sent_ == text_->size() && !ended_) {
            forget(*text_);
            sent_ = 0;
            CASEMATE_CHECK(fill());
        }
        return as_bytes(*text_).subspan(sent_);
    }
    void sent(std::size_t size) { sent_ += size; }
    [[nodiscard]] bool all_sent() const { return ended_ && sent_ == text_->size(); }

private:
    Result<> fill() {
        piece_.resize(kPiece);
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(left_.value_or(kPiece), kPiece));
        std::size_t got = 0;
        if (wanted > 0) {
            CASEMATE_TRY(got, source_->read(MutableBytes(piece_).first(wanted)));
        }
        if (got > wanted || (got == 0 && wanted > 0 && left_)) {
            return Error(HttpErrc::bad_argument,
                         "expected a body of " + std::to_string(*source_->size) +
                             " bytes, found its end " + std::to_string(*left_) + " bytes early");
        }
        const std::string_view bytes = as_text(ByteView(piece_).first(got));
        if (left_) {
            text_->append(bytes);
            *left_ -= got;
            ended_ = *left_ == 0;
        } else {
            append_chunk(bytes);
            ended_ = got == 0;
        }
        return {};
    }

    // append_chunk writes a chunk; an empty one ends the body (RFC 9112 7.1).
    void append_chunk(std::string_view bytes) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        bool begun = false;
        for (unsigned shift = 20; shift > 0; shift -= 4) {
            const std::size_t digit = (bytes.size() >> (shift - 4)) & 0xfU;
            begun = begun || digit != 0 || shift == 4;
            if (begun) {
                text_->push_back(kDigits[digit]);
            }
        }
        text_->append("\r\n").append(bytes).append("\r\n");
    }

    std::string* text_;
    BodySource* source_;
    Bytes piece_;
    std::optional<std::uint64_t> left_;
    std::size_t sent_ = 0;
    bool ended_ = true;
};

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
            CASEMATE_CHECK(wait_for(transport_.socket(), poll_event(io), deadline));
        }
    }

    Result<Response> exchange(const Request& request) {
        CASEMATE_CHECK(expect_open());
        if (!append_request(output_, request)) {
            return unwritable();
        }
        Outgoing outgoing(output_, nullptr);
        ResponseParser parser(limits_.header_bytes, limits_.body_bytes, request.method == "HEAD");
        return run(outgoing, parser, {.whole = Clock::now() + limits_.exchange});
    }

    Result<Response> stream(const Request& request, BodySource* upload, const BodySink& sink) {
        CASEMATE_CHECK(expect_open());
        if (!(upload != nullptr ? append_request_head(output_, request, upload->size)
                                : append_request(output_, request))) {
            return unwritable();
        }
        Outgoing outgoing(output_, upload);
        ResponseParser parser(limits_.header_bytes, limits_.body_bytes, request.method == "HEAD",
                              &sink);
        return run(outgoing, parser, {.idle = limits_.idle});
    }

    [[nodiscard]] bool is_open() const { return open_; }

private:
    // Patience: until when an exchange may take, or how long nothing may move.
    struct Patience {
        std::optional<Clock::time_point> whole{};
        std::chrono::milliseconds idle{};
    };

    [[nodiscard]] Result<> expect_open() const {
        return open_ ? Result<>()
                     : Error(HttpErrc::bad_argument,
                             "expected an open connection, found one at its end");
    }

    static Error unwritable() {
        return {HttpErrc::bad_argument,
                "expected a request with a Host that can be written, found another"};
    }

    Result<Response> run(Outgoing& outgoing, ResponseParser& parser, const Patience& patience) {
        // Whatever goes wrong from here on leaves a connection that can't be used.
        open_ = false;
        auto moved = move(outgoing, parser, patience);
        // What comes after a response was not asked for.
        open_ = moved && outgoing.all_sent() && parser.keep_alive() && input_.empty() &&
                !transport_.holds_bytes();
        input_.clear();
        forget(output_);
        if (!moved) {
            return std::move(moved).error();
        }
        return parser.take();
    }

    // move sends and receives at once, until there is a response: a server may answer, and end its
    // stream, before it has read all.
    Result<> move(Outgoing& outgoing, ResponseParser& parser, const Patience& patience) {
        bool can_send = true;
        bool begun = false;
        auto deadline = patience.whole.value_or(Clock::now() + patience.idle);
        while (!parser.complete()) {
            CASEMATE_TRY(const Io sent, can_send ? send(outgoing) : Result<Io>(Io::end));
            can_send = sent != Io::end && sent != Io::failed;
            CASEMATE_TRY(const Io received, receive(parser, begun));
            begun = begun || received == Io::done;
            if (received == Io::end) {
                return parser.put_end();
            }
            if (sent != Io::done && received != Io::done) {
                const auto events = static_cast<short>(poll_event(sent) | poll_event(received));
                CASEMATE_CHECK(wait_for(transport_.socket(), events, deadline));
            } else if (!patience.whole) {
                deadline = Clock::now() + patience.idle;
            } else if (Clock::now() >= deadline) {
                return Error(HttpErrc::timed_out, "the deadline has passed");
            }
        }
        return {};
    }

    // send: end where there is nothing to send any more.
    Result<Io> send(Outgoing& outgoing) {
        CASEMATE_TRY(const ByteView rest, outgoing.rest());
        if (rest.empty()) {
            return Io::end;
        }
        const Moved moved = transport_.write(rest);
        outgoing.sent(moved.size);
        return moved.io;
    }

    // receive: never failed, and end only within a response.
    Result<Io> receive(ResponseParser& parser, bool begun) {
        const Moved moved = transport_.read(input_.room());
        if (moved.io == Io::done) {
            input_.add(moved.size);
            CASEMATE_TRY(const std::size_t consumed, parser.put(input_.view()));
            input_.consume(consumed);
        } else if (moved.io == Io::end || moved.io == Io::failed) {
            if (!begun) {
                return Error(HttpErrc::closed_before_response, "the server closed the connection");
            }
            if (moved.io == Io::failed) {
                return lost("in the response");
            }
        }
        return moved.io;
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

Result<Response> Connection::stream(const Request& request, BodySource* upload,
                                    const BodySink& sink) {
    return implementation_->stream(request, upload, sink);
}

bool Connection::is_open() const {
    return implementation_->is_open();
}

}  // namespace casemate::http
