#include "http/server_connection.hpp"

#include <sys/socket.h>

#include <exception>
#include <limits>
#include <utility>

#include "base/bytes.hpp"
#include "http/wire.hpp"

namespace casemate::http {

namespace {

using Clock = ServerConnection::Clock;

constexpr Clock::rep kNever = std::numeric_limits<Clock::rep>::max();
constexpr Clock::rep kExpired = std::numeric_limits<Clock::rep>::min();
constexpr std::chrono::milliseconds kNoLimit{-1};

// What is read, and thrown away, of a peer that still sends when it has been answered.
constexpr std::size_t kMaxDrained = std::size_t{4} << 20U;
// Memory that a connection keeps for its next response.
constexpr std::size_t kKeptOutput = 65536;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

ServerConnection::ServerConnection(ServerState& state, Transport transport, Peer peer)
    : state_(&state),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      parser_({.header_bytes = state.limits.header_bytes,
               .headers = state.limits.headers,
               .body_bytes = state.limits.body_bytes}),
      phase_(Phase::handshake),
      deadline_((Clock::now() + state.limits.handshake).time_since_epoch().count()) {
    count(state_->counters.open);
    if (!transport_.secure()) {
        enter(Phase::idle, state_->limits.idle);
    }
}

ServerConnection::~ServerConnection() {
    forget(output_);
    if (phase_ == Phase::idle) {
        uncount(state_->counters.idle);
    }
    uncount(state_->counters.open);
}

bool ServerConnection::enter(Phase phase, std::chrono::milliseconds limit) {
    const Phase before = phase_.load(std::memory_order_relaxed);
    if (before != phase && before == Phase::idle) {
        uncount(state_->counters.idle);
    } else if (before != phase && phase == Phase::idle) {
        count(state_->counters.idle);
    }
    const Clock::rep until =
        limit == kNoLimit ? kNever : (Clock::now() + limit).time_since_epoch().count();
    phase_.store(phase);
    return deadline_.exchange(until) == kExpired;
}

bool ServerConnection::expired() const {
    return deadline_.load() == kExpired;
}

void ServerConnection::shut(Phase phase) const {
    if (phase == Phase::reading) {
        // So that it can still be answered.
        ::shutdown(transport_.socket(), SHUT_RD);
        return;
    }
    if (phase == Phase::writing) {
        // What the peer does not take is not kept for it.
        const linger none{1, 0};
        ::setsockopt(transport_.socket(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    }
    ::shutdown(transport_.socket(), SHUT_RDWR);
}

void ServerConnection::count_expiry(Phase phase) {
    Counters& counters = state_->counters;
    switch (phase) {
        case Phase::handshake:
            return count(counters.handshake_timeouts);
        case Phase::idle:
            return count(counters.idle_timeouts);
        case Phase::reading:
            return count(counters.request_timeouts);
        case Phase::writing:
            return count(counters.write_timeouts);
        case Phase::handling:
        case Phase::draining:
            return;
    }
}

void ServerConnection::expire(Clock::time_point now) {
    Clock::rep until = deadline_.load();
    const Phase phase = phase_.load();
    if (until == kExpired || until > now.time_since_epoch().count() ||
        !deadline_.compare_exchange_strong(until, kExpired)) {
        return;
    }
    count_expiry(phase);
    shut(phase);
}

void ServerConnection::close_if_idle() {
    Clock::rep until = deadline_.load();
    const Phase phase = phase_.load();
    if ((phase == Phase::idle || phase == Phase::handshake) && until != kExpired &&
        deadline_.compare_exchange_strong(until, kExpired)) {
        shut(phase);
    }
}

void ServerConnection::abort() {
    deadline_.store(kExpired);
    shut(Phase::writing);
}

ServerConnection::Next ServerConnection::run() {
    Next next = Next::go_on;
    while (next == Next::go_on) {
        next = step();
    }
    return next;
}

ServerConnection::Next ServerConnection::step() {
    switch (phase_.load(std::memory_order_relaxed)) {
        case Phase::handshake:
            return shake();
        case Phase::idle:
        case Phase::reading:
            return receive();
        case Phase::handling:
        case Phase::writing:
            return send();
        case Phase::draining:
            return drain();
    }
    return Next::close;
}

ServerConnection::Next ServerConnection::shake() {
    switch (transport_.handshake()) {
        case Io::done:
            return become_idle();
        case Io::wants_read:
            return Next::read;
        case Io::wants_write:
            return Next::write;
        case Io::end:
        case Io::failed:
            break;
    }
    if (!expired()) {
        count(state_->counters.handshake_failures);
    }
    return Next::close;
}

ServerConnection::Next ServerConnection::become_idle() {
    parser_.reset();
    skipped_line_ = false;
    continued_ = false;
    if (enter(Phase::idle, state_->limits.idle)) {
        return Next::close;
    }
    // After enter: who stops either sees that this connection is idle, or is seen here.
    if (state_->stopping) {
        transport_.end_writing();
        return Next::close;
    }
    unparsed_ = !input_.empty();
    return unparsed_ || transport_.holds_bytes() ? Next::go_on : Next::read;
}

ServerConnection::Next ServerConnection::receive() {
    if (expired()) {
        return phase_ == Phase::reading ? refuse(408, "the request took too long") : Next::close;
    }
    if (!output_.empty()) {
        const Next next = flush();
        if (next != Next::go_on) {
            return next;
        }
    }
    if (std::exchange(unparsed_, false)) {
        return parse();
    }
    const Moved moved = transport_.read(input_.room());
    switch (moved.io) {
        case Io::done:
            input_.add(moved.size);
            count(state_->counters.bytes_in, moved.size);
            return parse();
        case Io::wants_read:
            return Next::read;
        case Io::wants_write:
            return Next::write;
        case Io::end:
        case Io::failed:
            break;
    }
    if (expired()) {
        // Once more, from the start.
        return Next::go_on;
    }
    return phase_ == Phase::reading ? lost() : Next::close;
}

ServerConnection::Next ServerConnection::lost() {
    if (!expired()) {
        count(state_->counters.aborted);
    }
    return Next::close;
}

ServerConnection::Next ServerConnection::parse() {
    // An empty line before a request is passed over (RFC 9112 2.2), once.
    if (phase_ == Phase::idle && !skipped_line_ && input_.view().substr(0, 2) == "\r\n") {
        input_.consume(2);
        skipped_line_ = true;
    }
    if (input_.empty() || (!skipped_line_ && phase_ == Phase::idle && input_.view() == "\r")) {
        return Next::go_on;
    }
    std::size_t consumed = 0;
    const Parsed parsed = parser_.put(input_.view(), consumed);
    input_.consume(consumed);
    if (parsed == Parsed::refused) {
        return refuse(parser_.framing().status, parser_.framing().reason);
    }
    if (parsed == Parsed::complete) {
        return respond();
    }
    if (phase_ == Phase::idle && enter(Phase::reading, state_->limits.request)) {
        return Next::close;
    }
    if (parser_.has_headers() && parser_.framing().expects_continue && !continued_) {
        // Who has sent a part of the body does not wait for it.
        continued_ = true;
        if (parser_.request().body.empty() && input_.empty()) {
            output_.append(kContinue);
        }
    }
    return Next::go_on;
}

Response ServerConnection::handle() {
    Request& request = parser_.request();
    request.peer = peer_;
    count(state_->counters.requests);
    // Whatever a handler throws is its own failure.
    try {
        return state_->handler(request);
    } catch (...) {
        count(state_->counters.handler_failures);
    }
    closing_ = true;
    return answer_refusal(500, "the server failed");
}

Response ServerConnection::answer_refusal(int status, std::string_view reason) {
    if (state_->refusals) {
        try {
            return state_->refusals({.status = status, .reason = reason, .peer = &peer_});
        } catch (...) {
            count(state_->counters.handler_failures);
        }
    }
    return {.status = status,
            .headers = {{"Content-Type", "text/plain"}},
            .body = std::string(reason) + "\n"};
}

void ServerConnection::write_refusal(int status, std::string_view reason) {
    closing_ = true;
    const ResponseForm form{.keep_alive = false};
    if (!append_response(output_, answer_refusal(status, reason), form)) {
        count(state_->counters.handler_failures);
        static_cast<void>(
            append_response(output_, {.status = status, .headers = {}, .body = {}}, form));
    }
}

ServerConnection::Next ServerConnection::respond() {
    const Phase before = phase_;
    if (enter(Phase::handling, kNoLimit)) {
        return before == Phase::idle ? Next::close : refuse(408, "the request took too long");
    }
    Response response = handle();
    ++served_;
    closing_ = closing_ || !parser_.framing().keep_alive || state_->stopping ||
               served_ >= state_->limits.requests_per_connection;
    const ResponseForm form{.minor = parser_.minor(),
                            .keep_alive = !closing_,
                            .head = parser_.request().method == "HEAD"};
    if (!append_response(output_, response, form)) {
        count(state_->counters.handler_failures);
        write_refusal(500, "the server failed");
    }
    forget(response.body);
    parser_.reset();
    enter(Phase::writing, state_->limits.write);
    return Next::go_on;
}

ServerConnection::Next ServerConnection::refuse(int status, std::string_view reason) {
    if (status == 413 || status == 431) {
        count(state_->counters.too_large);
    } else if (status != 408) {
        count(state_->counters.bad_requests);
    }
    // An interim response that was not sent is not needed any more.
    if (sent_ == 0) {
        forget(output_);
    }
    write_refusal(status, reason);
    input_.clear();
    enter(Phase::writing, state_->limits.write);
    return Next::go_on;
}

ServerConnection::Next ServerConnection::flush() {
    while (sent_ < output_.size()) {
        const Moved moved = transport_.write(as_bytes(output_).subspan(sent_));
        switch (moved.io) {
            case Io::done:
                sent_ += moved.size;
                count(state_->counters.bytes_out, moved.size);
                break;
            case Io::wants_read:
                return Next::read;
            case Io::wants_write:
                return Next::write;
            case Io::end:
            case Io::failed:
                return lost();
        }
    }
    sent_ = 0;
    forget(output_);
    if (output_.capacity() > kKeptOutput) {
        output_ = std::string();
    }
    return Next::go_on;
}

ServerConnection::Next ServerConnection::send() {
    const Next next = flush();
    if (next != Next::go_on) {
        return next;
    }
    if (!closing_) {
        return become_idle();
    }
    // Closing at once would make the peer's system throw the response away if it still sends.
    transport_.end_writing();
    input_.clear();
    return enter(Phase::draining, state_->limits.drain) ? Next::close : Next::go_on;
}

ServerConnection::Next ServerConnection::drain() {
    while (drained_ < kMaxDrained) {
        const Moved moved = transport_.read(input_.room());
        switch (moved.io) {
            case Io::done:
                input_.add(moved.size);
                input_.clear();
                drained_ += moved.size;
                break;
            case Io::wants_read:
                return Next::read;
            case Io::wants_write:
                return Next::write;
            case Io::end:
            case Io::failed:
                return Next::close;
        }
    }
    return Next::close;
}

}  // namespace casemate::http
