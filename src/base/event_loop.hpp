// EventLoop: one thread's epoll. Small on purpose: it is part of what the jailed processes run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate {

// EventLoop calls a handler when its descriptor is ready, and timers when they are due. It does not
// own the descriptors: remove one before closing it. All calls are from the loop's own thread; a
// handler may add, change and remove descriptors and timers, its own included.
class EventLoop {
public:
    using Clock = std::chrono::steady_clock;
    // The argument is the set of EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR that is ready.
    using Handler = std::function<void(std::uint32_t events)>;
    using TimerId = std::uint64_t;

    [[nodiscard]] static Result<EventLoop> create();

    // add watches fd for events (EPOLLIN | …, level-triggered unless EPOLLET is given).
    [[nodiscard]] Result<> add(int fd, std::uint32_t events, Handler handler);
    // change replaces the events that a watched fd is watched for.
    [[nodiscard]] Result<> change(int fd, std::uint32_t events);
    // remove forgets fd; its handler is not called again. Unknown descriptors are ignored.
    void remove(int fd);

    // after calls the handler once, not before that long from now.
    TimerId after(Clock::duration delay, std::function<void()> handler);
    void cancel(TimerId timer);

    // run handles events until stop() is called; an error of epoll itself ends it.
    [[nodiscard]] Result<> run();
    // run_once waits at most that long and handles what is ready.
    [[nodiscard]] Result<> run_once(std::chrono::milliseconds at_most);
    void stop() { stopping_ = true; }

private:
    struct Timer {
        TimerId id;
        std::function<void()> handler;
    };

    EventLoop() = default;
    void run_due_timers();
    [[nodiscard]] int wait_milliseconds(std::chrono::milliseconds at_most) const;

    UniqueFd epoll_;
    // Handlers are shared so that one which removes itself stays alive until it returns.
    std::map<int, std::shared_ptr<Handler>> handlers_;
    std::multimap<Clock::time_point, Timer> timers_;
    TimerId next_timer_ = 1;
    bool stopping_ = false;
};

}  // namespace casemate
