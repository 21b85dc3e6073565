#include "guest/init/lifecycle.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "guest/init/console.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

constexpr int kConnectMilliseconds = 1000;
constexpr int kReportMilliseconds = 2000;

// wait_for polls one descriptor; true when something happened in time.
bool wait_for(int fd, short events, int milliseconds) {
    pollfd entry{fd, events, 0};
    return poll(&entry, 1, milliseconds) > 0;
}

}  // namespace

void Lifecycle::begin() {
    auto stream = connect_(kLifecycle, false);
    if (!stream) {
        drop(State::refused);
        return;
    }
    fd_ = std::move(stream).value();
    state_ = State::connecting;
}

short Lifecycle::events() const {
    return state_ == State::connecting ? POLLOUT : POLLIN;
}

bool Lifecycle::finish_connecting() {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        drop(State::refused);
        return false;
    }
    state_ = State::open;
    return send(kHello);
}

bool Lifecycle::send(std::string_view line) {
    const ssize_t sent = ::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(line.size())) {
        drop(State::idle);
        return false;
    }
    return true;
}

void Lifecycle::beat() {
    if (state_ != State::open) {
        return;
    }
    const ssize_t sent = ::send(fd_.get(), kAlive.data(), kAlive.size(), MSG_NOSIGNAL);
    const bool full = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (!full && sent != static_cast<ssize_t>(kAlive.size())) {
        drop(State::idle);
    }
}

void Lifecycle::drop(State state) {
    fd_.reset();
    state_ = state;
    lines_ = LineReader();
}

std::optional<std::uint32_t> Lifecycle::serve() {
    if (state_ == State::connecting && !finish_connecting()) {
        return std::nullopt;
    }
    std::optional<std::uint32_t> seconds;
    std::array<char, 512> buffer{};
    while (state_ == State::open) {
        const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (size <= 0 || !lines_.feed({buffer.data(), static_cast<std::size_t>(size)})) {
            say("expected the lifecycle stream to stay open, found it closed or without lines; "
                "going "
                "on without it");
            drop(State::idle);
            break;
        }
        while (const auto line = lines_.next()) {
            if (const auto asked = parse_shutdown(*line)) {
                seconds = asked;
            } else {
                say("expected \"shutdown SECONDS\" on the lifecycle stream, found \"" +
                    printable(*line, 64) + "\"");
            }
        }
    }
    return seconds;
}

void Lifecycle::report(std::string_view line) {
    // Nothing was there, or a stream was lost: it costs one try to tell all the same.
    if (state_ == State::idle) {
        begin();
    }
    if (state_ == State::connecting &&
        (!wait_for(fd_.get(), POLLOUT, kConnectMilliseconds) || !finish_connecting())) {
        return;
    }
    if (state_ != State::open || !wait_for(fd_.get(), POLLOUT, kReportMilliseconds) ||
        !send(line)) {
        return;
    }
    shutdown(fd_.get(), SHUT_WR);
    std::array<char, 512> buffer{};
    while (wait_for(fd_.get(), POLLIN, kReportMilliseconds)) {
        const ssize_t size = recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size <= 0 && errno != EINTR) {
            return;
        }
    }
}

}  // namespace casemate::guest
