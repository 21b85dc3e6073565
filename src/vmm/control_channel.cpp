#include "vmm/control_channel.hpp"

#include <sys/epoll.h>

#include <utility>

#include "base/os_error.hpp"

namespace casemate::vmm {

namespace {

bool would_block(const Error& error) {
    return error.is(static_cast<Errno>(EAGAIN));
}

}  // namespace

ControlChannel::~ControlChannel() {
    if (watching_) {
        loop_->remove(socket_.get());
    }
}

Result<std::pair<machine::SupervisorMessage, std::vector<UniqueFd>>> ControlChannel::receive()
    const {
    CASEMATE_TRY(auto packet, receive_packet(socket_.get(), machine::kMaxControlPacket));
    if (packet.end_of_stream) {
        return os_error("read the control socket", ECONNRESET);
    }
    CASEMATE_TRY(auto message, machine::decode_supervisor_message(packet.bytes));
    return std::pair(std::move(message), std::move(packet.fds));
}

Result<> ControlChannel::watch(Received received, Lost lost) {
    CASEMATE_CHECK(set_nonblocking(socket_.get(), true));
    received_ = std::move(received);
    lost_ = std::move(lost);
    CASEMATE_CHECK(
        loop_->add(socket_.get(), EPOLLIN, [this](std::uint32_t events) { ready(events); }));
    watching_ = true;
    return {};
}

void ControlChannel::ready(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        send_waiting();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive_all();
    }
}

void ControlChannel::receive_all() {
    while (watching_) {
        auto message = receive();
        if (message) {
            received_(std::move(message->first), std::move(message->second));
        } else if (would_block(message.error())) {
            return;
        } else {
            lose(message.error());
        }
    }
}

void ControlChannel::lose(const Error& reason) {
    if (watching_) {
        watching_ = false;
        loop_->remove(socket_.get());
        lost_(reason);
    }
}

bool ControlChannel::send(const machine::VmmMessage& message) {
    if (waiting_.size() >= kMaxWaiting) {
        return false;
    }
    waiting_.push_back(encode(message));
    if (waiting_.size() == 1) {
        send_waiting();
    }
    return true;
}

void ControlChannel::send_waiting() {
    while (!waiting_.empty()) {
        const auto sent = send_packet(socket_.get(), waiting_.front());
        if (!sent) {
            if (!would_block(sent.error())) {
                // Reading finds out the same, and deals with it.
                waiting_.clear();
            }
            break;
        }
        waiting_.pop_front();
    }
    if (watching_) {
        const std::uint32_t events = waiting_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
        const auto changed = loop_->change(socket_.get(), events);
        if (!changed) {
            lose(changed.error());
        }
    }
}

Result<> ControlChannel::send_last(const machine::VmmMessage& message) {
    if (std::exchange(watching_, false)) {
        loop_->remove(socket_.get());
    }
    CASEMATE_CHECK(set_nonblocking(socket_.get(), false));
    for (const auto& packet : waiting_) {
        CASEMATE_CHECK(send_packet(socket_.get(), packet));
    }
    waiting_.clear();
    return send_packet(socket_.get(), encode(message));
}

}  // namespace casemate::vmm
