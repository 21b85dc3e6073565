#include "base/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/os_error.hpp"

namespace casemate {

namespace {

// What the child needs between fork and exec, made before the fork: only async-signal-safe calls
// are allowed there.
struct ChildPlan {
    const char* program;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    // sources[i] becomes descriptor i; -1 is /dev/null.
    std::vector<int> sources;
    int failure_pipe;
    pid_t parent;
    bool die_with_parent;
    bool new_session;
};

[[noreturn]] void report_failure(const ChildPlan& plan) {
    const int error_number = errno;
    [[maybe_unused]] const ssize_t put =
        ::write(plan.failure_pipe, &error_number, sizeof(error_number));
    ::_exit(127);
}

// Moves every source above the target range first, so that no dup2 overwrites a later source.
void place_descriptors(ChildPlan& plan) {
    const int first_free = static_cast<int>(plan.sources.size());
    plan.failure_pipe = ::fcntl(plan.failure_pipe, F_DUPFD_CLOEXEC, first_free);
    for (int& source : plan.sources) {
        const int opened = source >= 0 ? source : ::open("/dev/null", O_RDWR | O_CLOEXEC);
        source = ::fcntl(opened, F_DUPFD_CLOEXEC, first_free);
        if (source < 0) {
            report_failure(plan);
        }
    }
    for (int target = 0; target < first_free; ++target) {
        if (::dup2(plan.sources[static_cast<std::size_t>(target)], target) < 0) {
            report_failure(plan);
        }
    }
    ::syscall(SYS_close_range, static_cast<unsigned>(first_free), ~0U, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void become_child(ChildPlan& plan) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    place_descriptors(plan);
    if (plan.new_session) {
        ::setsid();
    }
    if (plan.die_with_parent) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // The parent may have died before the request took effect.
        if (::getppid() != plan.parent) {
            ::_exit(127);
        }
    }
    ::execve(plan.program, plan.arguments.data(), plan.environment.data());
    report_failure(plan);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (const std::string& text : texts) {
        list.push_back(const_cast<char*>(text.c_str()));
    }
    list.push_back(nullptr);
    return list;
}

}  // namespace

std::string ExitStatus::text() const {
    if (exit_code) {
        return "exit status " + std::to_string(*exit_code);
    }
    const char* name = sigdescr_np(signal);
    return "signal " + std::to_string(signal) +
           (name != nullptr ? " (" + std::string(name) + ")" : "");
}

Result<Process> Process::spawn(const SpawnOptions& options) {
    CASEMATE_TRY(FdPair failure, make_pipe());
    std::vector<std::string> arguments{options.program};
    arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
    std::vector<int> sources{options.standard_input, options.standard_output,
                             options.standard_error};
    sources.insert(sources.end(), options.passed_fds.begin(), options.passed_fds.end());
    ChildPlan plan{options.program.c_str(), pointers(arguments),  pointers(options.environment),
                   std::move(sources),      failure.second.get(), ::getpid(),
                   options.die_with_parent, options.new_session};
    const pid_t pid = ::fork();
    if (pid < 0) {
        return os_error("start " + options.program);
    }
    if (pid == 0) {
        become_child(plan);
    }
    // Not yet reaped, so the number can't have been given to another process.
    Process process(pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
    failure.second.reset();
    int error_number = 0;
    const auto told = read_some(
        failure.first.get(),
        MutableBytes(reinterpret_cast<std::uint8_t*>(&error_number), sizeof(error_number)));
    if (told && *told == sizeof(error_number)) {
        return os_error("start " + options.program, error_number);
    }
    if (!process.running()) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return os_error("watch the process of " + options.program);
    }
    return process;
}

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        kill_and_reap();
        pid_ = std::exchange(other.pid_, -1);
        pidfd_ = std::move(other.pidfd_);
    }
    return *this;
}

void Process::send_signal(int signal) const {
    if (running()) {
        ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
    }
}

Result<ExitStatus> Process::wait() {
    int status = 0;
    pid_t reaped = 0;
    do {
        reaped = ::waitpid(pid_, &status, 0);
    } while (reaped < 0 && errno == EINTR);
    if (reaped < 0) {
        return os_error("wait for process " + std::to_string(pid_));
    }
    pidfd_.reset();
    ExitStatus exit;
    if (WIFEXITED(status)) {
        exit.exit_code = WEXITSTATUS(status);
    } else {
        exit.signal = WTERMSIG(status);
    }
    return exit;
}

void Process::kill_and_reap() {
    if (running()) {
        send_signal(SIGKILL);
        static_cast<void>(wait());
    }
}

}  // namespace casemate
