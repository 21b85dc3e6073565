#include "enclave/init_link.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>

#include "base/os_error.hpp"
#include "base/socket.hpp"

namespace casemate::enclave {

UniqueFd InitLink::accept_heartbeat() {
    auto sockets = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (heartbeat_.valid() || !sockets ||
        !loop_->add(sockets->first.get(), EPOLLIN, [this](std::uint32_t) { on_heartbeat(); })) {
        return {};
    }
    heartbeat_ = std::move(sockets->first);
    return std::move(sockets->second);
}

void InitLink::on_heartbeat() {
    std::uint8_t byte = 0;
    const ssize_t size = ::recv(heartbeat_.get(), &byte, 1, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    loop_->remove(heartbeat_.get());
    const UniqueFd stream = std::move(heartbeat_);
    if (size != 1) {
        // Closed without a word: another may come.
        return;
    }
    if (byte != kHeartbeat) {
        hooks_.wrong_heartbeat("expected the guest's heartbeat byte 0xb7, found 0x" +
                               to_hex(ByteView(&byte, 1)));
        return;
    }
    static_cast<void>(::send(stream.get(), &kHeartbeat, 1, MSG_NOSIGNAL | MSG_DONTWAIT));
    heartbeat_seen_ = true;
    hooks_.heartbeat();
}

UniqueFd InitLink::accept_lifecycle() {
    if (!heartbeat_seen_ || lifecycle_used_) {
        return {};
    }
    auto sockets = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (!sockets ||
        !loop_->add(sockets->first.get(), EPOLLIN, [this](std::uint32_t) { on_lifecycle(); })) {
        return {};
    }
    lifecycle_ = std::move(sockets->first);
    lifecycle_used_ = true;
    return std::move(sockets->second);
}

void InitLink::on_lifecycle() {
    std::array<std::uint8_t, kMaxInitLine> buffer{};
    const auto size = read_some(lifecycle_.get(), buffer);
    if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
        return;
    }
    if (!size || *size == 0) {
        close_lifecycle();
        return;
    }
    for (InitLine& line : lines_.feed(ByteView(buffer).first(*size))) {
        hooks_.line(std::move(line));
    }
    if (lines_.broken()) {
        hooks_.say("init's stream says what is not understood; it is closed");
        close_lifecycle();
    }
}

bool InitLink::ask_shutdown(std::uint64_t seconds) {
    const std::string line = "shutdown " + std::to_string(seconds) + "\n";
    return lifecycle_.valid() &&
           ::send(lifecycle_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

void InitLink::drain() {
    // Init writes at most a few lines: more than these turns is a guest that wants to stay.
    for (int turn = 0; turn < 8 && lifecycle_.valid(); ++turn) {
        on_lifecycle();
    }
}

void InitLink::close_lifecycle() {
    if (lifecycle_.valid()) {
        loop_->remove(lifecycle_.get());
        lifecycle_.reset();
    }
}

void InitLink::close() {
    if (heartbeat_.valid()) {
        loop_->remove(heartbeat_.get());
        heartbeat_.reset();
    }
    close_lifecycle();
}

}  // namespace casemate::enclave
