// SoftwareHost: a VMM process to its supervisor, on machines where KVM is not usable. It is used in
// place of casemate-vmm: the supervisor gives it one end of a SOCK_SEQPACKET socket pair, sends
// Start on the other, and goes on as if the VMM were at that end (machine/control.hpp).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "softhost/launcher.hpp"
#include "softhost/relay.hpp"

namespace casemate::softhost {

// How often a software host is started before it is given up, and how long each may take to say
// hello. It takes about a second; the limit is for machines that are busy.
inline constexpr int kAttempts = 2;
inline constexpr auto kHelloTimeout = std::chrono::seconds(30);

// SoftwareHost launches, waits for the hello, starts once more if there is none or KVM does not
// work there, and then relays. SIGPIPE has to be ignored in the process. Used from the loop's
// thread, which has to outlive it: QEMU dies with that thread.
class SoftwareHost {
public:
    // Handlers are called from the loop; all may be empty.
    struct Handlers {
        // ready: the VMM inside can be started; how long that took is for the log.
        std::function<void(std::chrono::milliseconds)> ready;
        // log: a line that QEMU or the software host's kernel said, without its newline.
        std::function<void(std::string_view)> log;
        // ended: once; the software host is no more. Where the VMM had not said Exited itself, an
        // Exited packet with ExitReason::failed and the same sentence as this error has been sent
        // on the control socket, which is then closed. The object may be destroyed here.
        std::function<void(Result<>)> ended;
    };

    // start launches the first attempt. control is the VMM's end of the control socket. Packets may
    // be sent at its other end at once, they are taken when the software host is ready. image (in
    // options) has to stay open until ready is called. Errors: those of launch.
    [[nodiscard]] static Result<std::unique_ptr<SoftwareHost>> start(EventLoop& loop,
                                                                     LaunchOptions options,
                                                                     UniqueFd control,
                                                                     Handlers handlers);
    // Ends the software host at once.
    ~SoftwareHost();
    SoftwareHost(const SoftwareHost&) = delete;
    SoftwareHost& operator=(const SoftwareHost&) = delete;

    // pid is QEMU's, of the attempt that runs now; -1 when none does.
    [[nodiscard]] pid_t pid() const { return launched_ ? launched_->process.pid() : -1; }

private:
    SoftwareHost(EventLoop& loop, LaunchOptions options, UniqueFd control, Handlers handlers);

    [[nodiscard]] Result<> attempt();
    void on_hello(const Hello& hello);
    [[nodiscard]] bool on_log();
    void put_log_line(std::string line);
    void give_up_attempt(Error reason);
    void try_again_or_end(const Error& reason);
    void on_relay_end(const Result<>& result);
    [[nodiscard]] std::string how_qemu_ended();
    void end(Result<> result);
    void drop_attempt();
    void schedule(std::function<void()> what);

    EventLoop& loop_;
    LaunchOptions options_;
    UniqueFd control_;
    Handlers handlers_;
    int attempts_ = 0;
    bool ready_ = false;
    std::chrono::steady_clock::time_point started_;
    std::optional<Launched> launched_;
    std::unique_ptr<Relay> relay_;
    std::optional<EventLoop::TimerId> hello_timer_;
    std::optional<EventLoop::TimerId> next_step_;
    // The last line of the log that is not whole yet, and the last whole one.
    std::string partial_line_;
    std::string last_line_;
};

}  // namespace casemate::softhost
