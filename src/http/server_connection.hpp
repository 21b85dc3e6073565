// ServerConnection: one connection of a server, from its handshake to its end. It never blocks but
// in the handler.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/input.hpp"
#include "http/request_parser.hpp"
#include "http/server_state.hpp"
#include "http/transport.hpp"

namespace casemate::http {

class ServerConnection {
public:
    using Clock = std::chrono::steady_clock;

    // Next: what a connection waits for.
    enum class Next : std::uint8_t { go_on, read, write, close };

    ServerConnection(ServerState& state, Transport transport, Peer peer);
    ServerConnection(const ServerConnection&) = delete;
    ServerConnection& operator=(const ServerConnection&) = delete;
    ~ServerConnection();

    // run goes as far as it gets and says what to wait for: never go_on. One thread at a time.
    [[nodiscard]] Next run();

    [[nodiscard]] int socket() const { return transport_.socket(); }

    // The following may be called by other threads while one runs.
    // expire ends the phase if its time is up: run is then called, for the socket has become ready.
    void expire(Clock::time_point now);
    // close_if_idle ends the connection if no request has begun.
    void close_if_idle();
    // abort ends it whatever it does.
    void abort();

private:
    enum class Phase : std::uint8_t { handshake, idle, reading, handling, writing, draining };

    Next step();
    Next shake();
    Next receive();
    Next parse();
    Next respond();
    Next refuse(int status, std::string_view reason);
    Next send();
    Next flush();
    Next drain();
    Next become_idle();
    Next lost();

    Response handle();
    Response answer_refusal(int status, std::string_view reason);
    void write_refusal(int status, std::string_view reason);
    // enter begins a phase that may last so long, and tells whether the one before was over.
    bool enter(Phase phase, std::chrono::milliseconds limit);
    [[nodiscard]] bool expired() const;
    void count_expiry(Phase phase);
    void shut(Phase phase) const;

    ServerState* state_;
    Transport transport_;
    Peer peer_;
    RequestParser parser_;
    Input input_;
    std::string output_;
    std::size_t sent_ = 0;
    std::uint64_t served_ = 0;
    std::size_t drained_ = 0;
    bool unparsed_ = false;
    bool skipped_line_ = false;
    bool continued_ = false;
    bool closing_ = false;
    // phase_ is written before deadline_, so who finds deadline_ unchanged after having read both
    // has seen the phase that it is of.
    std::atomic<Phase> phase_;
    std::atomic<Clock::rep> deadline_;
};

}  // namespace casemate::http
