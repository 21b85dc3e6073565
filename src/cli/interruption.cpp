#include "cli/interruption.hpp"

#include <sys/signalfd.h>

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

InterruptionSignals::InterruptionSignals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction action {};
        ::sigaction(signal, nullptr, &action);
        if (action.sa_handler != SIG_IGN) {
            sigaddset(&wanted, signal);
        }
    }
    fd_ = UniqueFd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
    restored_ = !fd_.valid() || ::sigprocmask(SIG_BLOCK, &wanted, &before_) != 0;
}

void InterruptionSignals::restore() {
    if (!restored_) {
        restored_ = true;
        ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    }
}

}  // namespace casemate::cli
