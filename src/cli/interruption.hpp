// Interruption: the user's wish to stop (SIGINT, SIGTERM, SIGHUP) as a question that can be asked,
// for commands that must clean up first.
#pragma once

#include <signal.h>

#include <array>

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

}  // namespace casemate::cli
