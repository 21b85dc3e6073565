#include "base/event_loop.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "base/os_error.hpp"

namespace casemate {

Result<EventLoop> EventLoop::create() {
    EventLoop loop;
    loop.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
    if (!loop.epoll_.valid()) {
        return os_error("make an epoll set");
    }
    return loop;
}

Result<> EventLoop::add(int fd, std::uint32_t events, Handler handler) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
        return os_error("watch descriptor " + std::to_string(fd));
    }
    handlers_[fd] = std::make_shared<Handler>(std::move(handler));
    return {};
}

Result<> EventLoop::change(int fd, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) != 0) {
        return os_error("watch descriptor " + std::to_string(fd) + " otherwise");
    }
    return {};
}

void EventLoop::remove(int fd) {
    if (handlers_.erase(fd) > 0) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    }
}

EventLoop::TimerId EventLoop::after(Clock::duration delay, std::function<void()> handler) {
    const TimerId id = next_timer_++;
    timers_.emplace(Clock::now() + delay, Timer{id, std::move(handler)});
    return id;
}

void EventLoop::cancel(TimerId timer) {
    const auto found = std::find_if(timers_.begin(), timers_.end(), [timer](const auto& entry) {
        return entry.second.id == timer;
    });
    if (found != timers_.end()) {
        timers_.erase(found);
    }
}

Result<> EventLoop::run() {
    stopping_ = false;
    while (!stopping_) {
        CASEMATE_CHECK(run_once(std::chrono::milliseconds(-1)));
    }
    return {};
}

int EventLoop::wait_milliseconds(std::chrono::milliseconds at_most) const {
    if (timers_.empty()) {
        return static_cast<int>(at_most.count());
    }
    // Rounded up, so that a timer is due when the wait ends.
    const auto until =
        std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now());
    const auto wait = std::max(until, std::chrono::milliseconds(0));
    return static_cast<int>(at_most.count() < 0 ? wait.count() : std::min(wait, at_most).count());
}

Result<> EventLoop::run_once(std::chrono::milliseconds at_most) {
    std::array<epoll_event, 64> ready{};
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                                   wait_milliseconds(at_most));
    if (count < 0 && errno != EINTR) {
        return os_error("wait for events");
    }
    for (int i = 0; i < count; ++i) {
        // An earlier handler of this round may have removed this one.
        const auto found = handlers_.find(ready.at(static_cast<std::size_t>(i)).data.fd);
        if (found != handlers_.end()) {
            const std::shared_ptr<Handler> handler = found->second;
            (*handler)(ready.at(static_cast<std::size_t>(i)).events);
        }
    }
    run_due_timers();
    return {};
}

void EventLoop::run_due_timers() {
    const auto now = Clock::now();
    while (!timers_.empty() && timers_.begin()->first <= now) {
        const auto handler = std::move(timers_.begin()->second.handler);
        timers_.erase(timers_.begin());
        handler();
    }
}

}  // namespace casemate
