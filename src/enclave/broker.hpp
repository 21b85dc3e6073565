// StreamBroker: the host's side of an enclave's vsock. Parent programs come in at
// RUNTIME/enclaves/ID/vsock and say "CONNECT <port>\n"; the guest's connections go out to
// RUNTIME/enclaves/ID/parent/PORT, else RUNTIME/parent/PORT. The bytes themselves never pass here:
// the VMM gets each connected socket.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/control.hpp"

namespace casemate::enclave {

// The longest first line of a parent program: "CONNECT 4294967295\n".
inline constexpr std::size_t kMaxConnectLine = 19;
// How many parent programs may be about to say their first line, and how long each has for it.
inline constexpr std::size_t kMaxGreetings = 256;
inline constexpr std::chrono::seconds kGreetingTime{10};
// A listener of the parent whose queue is full is tried again so often, so many times.
inline constexpr std::chrono::milliseconds kRetryPause{20};
inline constexpr int kMaxRetries = 100;
inline constexpr std::size_t kMaxRetrying = 1024;

// parse_connect_line reads "CONNECT <port>" without its line feed; nothing when it is anything else
// (signs, leading zeros, a port above 2^32 - 1).
[[nodiscard]] std::optional<std::uint32_t> parse_connect_line(std::string_view line);

class StreamBroker {
public:
    struct Hooks {
        // A parent program wants the guest's port; false: it can't be passed on.
        std::function<bool(std::uint32_t guest_port, UniqueFd socket)> open_stream;
        // The answer to the guest: a connected socket, or none for a refusal.
        std::function<void(std::uint64_t request_id, UniqueFd socket)> answer;
    };

    // directories are searched in order for a socket named as the port.
    StreamBroker(EventLoop& loop, std::vector<std::string> directories, Hooks hooks)
        : loop_(&loop), directories_(std::move(directories)), hooks_(std::move(hooks)) {}
    StreamBroker(const StreamBroker&) = delete;
    StreamBroker& operator=(const StreamBroker&) = delete;
    ~StreamBroker();

    // listen accepts parent programs at the path, mode 0600.
    [[nodiscard]] Result<> listen(const std::string& path);
    // connect answers a request for a port of the parent through the hook, now or a little later.
    void connect(std::uint64_t request_id, std::uint32_t port);
    // guest_can_be_reached: parent programs are told apart from before it runs; before it runs they
    // wait in the listening socket's queue.
    void guest_can_be_reached();
    // guest_is_gone: parent programs wait again, and its requests are answered no more.
    void guest_is_gone();

private:
    struct Greeting {
        UniqueFd socket;
        EventLoop::TimerId timer = 0;
        std::string line;
    };

    void accept_some();
    void greet(int socket);
    void end_greeting(int socket);
    void watch_listener();
    void try_connect(std::uint64_t request_id, std::uint32_t port, int attempt);

    EventLoop* loop_;
    std::vector<std::string> directories_;
    Hooks hooks_;
    UniqueFd listener_;
    bool reachable_ = false;
    std::map<int, Greeting> greetings_;
    std::size_t retrying_ = 0;
    // Timers outlive nothing: a retry checks that the broker is still there.
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace casemate::enclave
