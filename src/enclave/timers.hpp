// Timers: one object's timers on the event loop. None is called once the object is gone, so its
// handlers may hold a plain pointer to it.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "base/event_loop.hpp"

namespace casemate::enclave {

class Timers {
public:
    explicit Timers(EventLoop& loop) : loop_(&loop) {}
    Timers(const Timers&) = delete;
    Timers& operator=(const Timers&) = delete;
    ~Timers() = default;

    // after calls the handler once, not before that long from now. The number is for cancel.
    EventLoop::TimerId after(EventLoop::Clock::duration delay, std::function<void()> handler) {
        return loop_->after(delay, [alive = std::weak_ptr<int>(alive_), call = std::move(handler)] {
            if (!alive.expired()) {
                call();
            }
        });
    }
    // cancel takes a timer back and sets its number to 0, which is none.
    void cancel(EventLoop::TimerId& timer) { loop_->cancel(std::exchange(timer, 0)); }

private:
    EventLoop* loop_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace casemate::enclave
