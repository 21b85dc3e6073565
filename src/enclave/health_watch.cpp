#include "enclave/health_watch.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/socket.hpp"

namespace casemate::enclave {

namespace {

using std::chrono::milliseconds;

// How long a connection to the port may take.
constexpr milliseconds kProbeTime{5000};
// How often the port is tried at least until it accepts for the first time.
constexpr milliseconds kEagerPause{1000};

milliseconds since(EventLoop::Clock::time_point time) {
    return std::chrono::duration_cast<milliseconds>(EventLoop::Clock::now() - time);
}

}  // namespace

HealthWatch::HealthWatch(EventLoop& loop, const HealthSettings& settings, Hooks hooks)
    : loop_(&loop),
      settings_(settings),
      hooks_(std::move(hooks)),
      timers_(loop),
      judge_(settings),
      told_(judge_.health()),
      began_(EventLoop::Clock::now()),
      looked_(began_) {
    if (settings_.port != 0) {
        probe_after(std::min(milliseconds(settings_.interval_ms), kEagerPause));
    }
}

void HealthWatch::init_beats() {
    judge_.init_beats();
    if (settings_.silence_ms != 0) {
        looked_ = EventLoop::Clock::now();
        wait_for_beat();
    }
    look();
}

void HealthWatch::alive() {
    judge_.alive();
    look();
}

void HealthWatch::look() {
    if (judge_.health() != told_) {
        told_ = judge_.health();
        hooks_.changed();
    }
}

void HealthWatch::wait_for_beat() {
    const milliseconds turn =
        std::clamp(milliseconds(settings_.silence_ms / 4), milliseconds(10), milliseconds(1000));
    timers_.after(turn, [this, turn] {
        // A turn that took longer is a time in which this process, and maybe the guest too, was
        // kept from running: that is not init's silence.
        judge_.passed(std::min(since(looked_), 2 * turn));
        looked_ = EventLoop::Clock::now();
        hooks_.hear();
        look();
        wait_for_beat();
    });
}

void HealthWatch::probe_after(milliseconds pause) {
    timers_.cancel(probe_timer_);
    probe_timer_ = timers_.after(pause, [this] { probe(); });
}

void HealthWatch::probe() {
    probe_timer_ = 0;
    auto sockets = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (!sockets ||
        !loop_->add(sockets->first.get(), EPOLLIN, [this](std::uint32_t) { on_answer(); })) {
        // No fault of the guest's.
        probe_after(milliseconds(settings_.interval_ms));
        return;
    }
    probe_ = std::move(sockets->first);
    probe_timer_ = timers_.after(kProbeTime, [this] { probed(false); });
    if (!hooks_.open_stream(settings_.port, std::move(sockets->second))) {
        probed(false);
    }
}

void HealthWatch::on_answer() {
    // The VMM's "OK <n>" comes when the guest has accepted, an end of the stream when it has not.
    std::array<std::uint8_t, 3> answer{};
    const auto size = read_some(probe_.get(), answer);
    probed(size && *size == answer.size() && as_text(answer) == "OK ");
}

void HealthWatch::probed(bool accepted) {
    end_probe();
    judge_.probed(accepted, since(began_));
    const milliseconds interval(settings_.interval_ms);
    probe_after(judge_.health() == HealthState::starting ? std::min(interval, kEagerPause)
                                                         : interval);
    look();
}

void HealthWatch::end_probe() {
    if (probe_.valid()) {
        loop_->remove(probe_.get());
        probe_.reset();
    }
}

}  // namespace casemate::enclave
