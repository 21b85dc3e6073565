// Child processes with exactly the descriptors they are given.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate {

// SpawnOptions: what a child is started as.
struct SpawnOptions {
    // program is a path; arguments exclude the program's own name.
    std::string program;
    std::vector<std::string> arguments;
    // environment is the child's whole environment ("NAME=value").
    std::vector<std::string> environment;
    // standard_input, _output and _error are inherited as 0, 1, 2; -1 is /dev/null.
    int standard_input = -1;
    int standard_output = -1;
    int standard_error = 2;
    // passed_fds become 3, 4, 5, … in the child. Every other descriptor is closed there.
    std::vector<int> passed_fds;
    // die_with_parent: SIGKILL for the child when the thread that spawned it ends.
    bool die_with_parent = true;
    // new_session: the child leads a session of its own (no terminal signals).
    bool new_session = false;
};

// ExitStatus: how a process ended.
struct ExitStatus {
    // exit_code when it exited, else nothing and signal says which one killed it.
    std::optional<int> exit_code;
    int signal = 0;
    // text is "exit status 3" or "signal 9 (Killed)".
    [[nodiscard]] std::string text() const;
};

// Process owns a running child by its pidfd; the destructor kills and reaps it.
class Process {
public:
    Process() = default;
    // spawn fails with the child's own errno when the program can't be executed.
    [[nodiscard]] static Result<Process> spawn(const SpawnOptions& options);
    Process(Process&& other) noexcept = default;
    Process& operator=(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() { kill_and_reap(); }

    [[nodiscard]] bool running() const { return pidfd_.valid(); }
    [[nodiscard]] pid_t pid() const { return pid_; }
    // pidfd becomes readable when the process has ended; it stays this object's.
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }
    // send_signal does nothing when the process is not running.
    void send_signal(int signal) const;
    // wait blocks until the process ends, reaps it and tells how.
    [[nodiscard]] Result<ExitStatus> wait();
    // kill_and_reap ends the process with SIGKILL if it still runs.
    void kill_and_reap();

private:
    Process(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

    pid_t pid_ = -1;
    UniqueFd pidfd_;
};

}  // namespace casemate
