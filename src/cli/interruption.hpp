// Interruption: the user's wish to stop (SIGINT, SIGTERM, SIGHUP) as a question that can be asked,
// for commands that must clean up first.
#pragma once

#include <signal.h>

#include <array>

#include "base/fd.hpp"

namespace casemate::cli {

class Interruption {
public:
    // While an object exists, the signals are only remembered. One at a time.
    Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption() { restore(); }

    // signal gives the signal that came, or 0.
    [[nodiscard]] int signal() const;
    // obey lets the signal do what it would have done, if one came.
    void obey();

private:
    static constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};
    void restore();

    std::array<struct sigaction, kSignals.size()> before_{};
    bool restored_ = false;
};

// InterruptionSignals: the same wish as a descriptor, for commands that wait for several things.
class InterruptionSignals {
public:
    // While an object exists, the signals wait in the descriptor. One that is ignored (nohup) goes
    // on being so. Without a descriptor (fd is -1 then) signals do what they always do.
    InterruptionSignals();
    InterruptionSignals(const InterruptionSignals&) = delete;
    InterruptionSignals& operator=(const InterruptionSignals&) = delete;
    ~InterruptionSignals() { restore(); }

    // fd becomes readable when a signal has come.
    [[nodiscard]] int fd() const { return fd_.get(); }
    // restore lets signals, also those that have come, do what they do.
    void restore();

private:
    UniqueFd fd_;
    sigset_t before_{};
    bool restored_ = false;
};

}  // namespace casemate::cli
