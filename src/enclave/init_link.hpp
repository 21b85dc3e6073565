// InitLink: the guest's first process, as the supervisor hears it: its heartbeat (formats.md 3.1)
// and its lifecycle stream (lifecycle.hpp). The VMM joins the guest's connections to the sockets
// given here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "enclave/lifecycle.hpp"

namespace casemate::enclave {

// The port of the parent that init's heartbeat goes to, and its byte (formats.md 3.1).
inline constexpr std::uint32_t kHeartbeatPort = 9000;
inline constexpr std::uint8_t kHeartbeat = 0xb7;
// The port of the hypervisor (CID 0) that init's lifecycle stream goes to.
inline constexpr std::uint32_t kLifecyclePort = 9001;

class InitLink {
public:
    struct Hooks {
        std::function<void()> heartbeat;
        // The sentence says what came instead.
        std::function<void(const std::string& sentence)> wrong_heartbeat;
        std::function<void(InitLine)> line;
        // Says one line for the log.
        std::function<void(const std::string& line)> say;
    };

    InitLink(EventLoop& loop, Hooks hooks) : loop_(&loop), hooks_(std::move(hooks)) {}
    InitLink(const InitLink&) = delete;
    InitLink& operator=(const InitLink&) = delete;
    ~InitLink() { close(); }

    // accept_heartbeat and accept_lifecycle give the socket for a connection of the guest's; none
    // when it is to be refused: one heartbeat at a time and one lifecycle stream, after it.
    [[nodiscard]] UniqueFd accept_heartbeat();
    [[nodiscard]] UniqueFd accept_lifecycle();
    [[nodiscard]] bool heartbeat_seen() const { return heartbeat_seen_; }

    // ask_shutdown asks init to end its program within so many seconds; false: init does not
    // listen.
    [[nodiscard]] bool ask_shutdown(std::uint64_t seconds);
    // drain hears what has already been said.
    void drain();
    void close();

private:
    void on_heartbeat();
    void on_lifecycle();
    void close_lifecycle();

    EventLoop* loop_;
    Hooks hooks_;
    UniqueFd heartbeat_;
    bool heartbeat_seen_ = false;
    UniqueFd lifecycle_;
    bool lifecycle_used_ = false;
    InitLines lines_;
};

}  // namespace casemate::enclave
