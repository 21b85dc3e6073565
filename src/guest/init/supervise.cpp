#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "guest/init/application.hpp"
#include "guest/init/console.hpp"
#include "guest/init/error.hpp"

namespace casemate::guest {

namespace {

std::int64_t now_milliseconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

// Deadline: when the app has to be gone; none until somebody asked for it.
class Deadline {
public:
    explicit Deadline(pid_t app) : app_(app) {}

    void set(std::uint32_t seconds) {
        at_ = now_milliseconds() + static_cast<std::int64_t>(seconds) * 1000;
        say("the supervisor asked for shutdown within " + std::to_string(seconds) + " s");
        if (kill(-app_, SIGTERM) != 0) {
            // The app has moved to another process group.
            kill(app_, SIGTERM);
        }
    }

    // remaining in milliseconds as poll takes it: -1 for ever.
    [[nodiscard]] int remaining() const {
        if (!at_) {
            return -1;
        }
        const std::int64_t left = std::max<std::int64_t>(*at_ - now_milliseconds(), 0);
        return static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max()));
    }

    void enforce() {
        if (at_ && remaining() == 0) {
            at_.reset();
            say("the application did not end in time: SIGKILL");
            kill(-1, SIGKILL);
        }
    }

private:
    pid_t app_;
    std::optional<std::int64_t> at_;
};

// Beat: when the supervisor is told next that this process still gets its turn.
class Beat {
public:
    explicit Beat(int milliseconds)
        : milliseconds_(milliseconds), next_(now_milliseconds() + milliseconds) {}

    // remaining in milliseconds.
    [[nodiscard]] int remaining() const {
        return static_cast<int>(std::max<std::int64_t>(next_ - now_milliseconds(), 0));
    }

    void keep(Lifecycle& lifecycle) {
        if (remaining() == 0) {
            next_ = now_milliseconds() + milliseconds_;
            lifecycle.beat();
        }
    }

private:
    int milliseconds_;
    std::int64_t next_;
};

// sooner of two times as poll takes them.
int sooner(int deadline, int beat) {
    return deadline < 0 ? beat : std::min(deadline, beat);
}

// reap collects every ended child; the app's status when it was among them.
std::optional<int> reap(pid_t app) {
    std::optional<int> app_status;
    int status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == app) {
            app_status = status;
        }
    }
    return app_status;
}

Result<UniqueFd> watch_children() {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    UniqueFd fd(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd.valid()) {
        return unexpected_errno(GuestErrc::system, "a signal descriptor for ended processes",
                                errno);
    }
    return fd;
}

}  // namespace

Result<int> supervise(pid_t app, Lifecycle& lifecycle, int alive_milliseconds) {
    CASEMATE_TRY(const UniqueFd children, watch_children());
    Deadline deadline(app);
    Beat beat(alive_milliseconds);
    for (;;) {
        if (const auto status = reap(app)) {
            return *status;
        }
        std::array<pollfd, 2> entries{
            {{children.get(), POLLIN, 0}, {lifecycle.descriptor(), lifecycle.events(), 0}}};
        if (poll(entries.data(), entries.size(), sooner(deadline.remaining(), beat.remaining())) <
                0 &&
            errno != EINTR) {
            return unexpected_errno(GuestErrc::system, "to wait for processes", errno);
        }
        signalfd_siginfo news{};
        while (read(children.get(), &news, sizeof(news)) > 0) {
        }
        if (entries[1].revents != 0) {
            if (const auto seconds = lifecycle.serve()) {
                deadline.set(*seconds);
            }
        }
        deadline.enforce();
        beat.keep(lifecycle);
    }
}

}  // namespace casemate::guest
