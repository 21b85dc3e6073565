// HealthWatch: looks after the health of one machine that runs: hears init, tries the port.
#pragma once

#include <functional>
#include <string>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "enclave/health.hpp"
#include "enclave/timers.hpp"

namespace casemate::enclave {

class HealthWatch {
public:
    struct Hooks {
        // Passes a socket on to a port of the guest; false: that can't be done.
        std::function<bool(std::uint32_t port, UniqueFd socket)> open_stream;
        // Hears what init has said and nobody has read yet.
        std::function<void()> hear;
        // The health is another now.
        std::function<void()> changed;
    };

    HealthWatch(EventLoop& loop, const HealthSettings& settings, Hooks hooks);
    HealthWatch(const HealthWatch&) = delete;
    HealthWatch& operator=(const HealthWatch&) = delete;
    ~HealthWatch() { end_probe(); }

    void init_beats();
    void alive();

    [[nodiscard]] HealthState health() const { return judge_.health(); }
    [[nodiscard]] std::string reason() const { return judge_.reason(); }
    // init_listens: it does as far as one knows.
    [[nodiscard]] bool init_listens() const { return !judge_.silent(); }

private:
    void look();
    void wait_for_beat();
    void probe_after(std::chrono::milliseconds pause);
    void probe();
    void on_answer();
    void probed(bool accepted);
    void end_probe();

    EventLoop* loop_;
    HealthSettings settings_;
    Hooks hooks_;
    Timers timers_;
    HealthJudge judge_;
    HealthState told_;
    EventLoop::Clock::time_point began_;
    EventLoop::Clock::time_point looked_;
    UniqueFd probe_;
    EventLoop::TimerId probe_timer_ = 0;
};

}  // namespace casemate::enclave
