#include "cli/interruption.hpp"

namespace casemate::cli {

namespace {

volatile sig_atomic_t received_signal = 0;

void remember(int signal) {
    received_signal = signal;
}

}  // namespace

Interruption::Interruption() {
    received_signal = 0;
    struct sigaction action {};
    action.sa_handler = remember;
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        ::sigaction(kSignals[i], nullptr, &before_[i]);
        // Who ignores a signal (nohup) goes on doing so.
        if (before_[i].sa_handler != SIG_IGN) {
            ::sigaction(kSignals[i], &action, nullptr);
        }
    }
}

int Interruption::signal() const {
    return received_signal;
}

void Interruption::restore() {
    for (std::size_t i = 0; !restored_ && i < kSignals.size(); ++i) {
        ::sigaction(kSignals[i], &before_[i], nullptr);
    }
    restored_ = true;
}

void Interruption::obey() {
    restore();
    if (received_signal != 0) {
        (void)::raise(received_signal);
    }
}

}  // namespace casemate::cli
