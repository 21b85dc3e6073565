#include "enclave/packet_channel.hpp"

#include <sys/epoll.h>
#include <utility>

#include "base/os_error.hpp"

namespace casemate::enclave {

namespace {

// So many packets are received before other descriptors have their turn.
constexpr int kPacketsPerTurn = 32;

bool would_block(const Error& error) {
    return error.is(static_cast<Errno>(EAGAIN));
}

}  // namespace

Result<> PacketChannel::open(UniqueFd socket, std::size_t max_packet, Receiver receiver,
                             Closed closed) {
    CASEMATE_CHECK(set_nonblocking(socket.get(), true));
    CASEMATE_CHECK(
        loop_->add(socket.get(), EPOLLIN, [this](std::uint32_t events) { handle(events); }));
    socket_ = std::move(socket);
    ++opened_;
    max_packet_ = max_packet;
    receiver_ = std::move(receiver);
    closed_ = std::move(closed);
    return {};
}

void PacketChannel::close() {
    if (socket_.valid()) {
        loop_->remove(socket_.get());
        socket_.reset();
        waiting_.clear();
    }
}

void PacketChannel::fail(const std::string& reason) {
    if (socket_.valid()) {
        close();
        // The handler may open this channel anew.
        const Closed closed = std::exchange(closed_, nullptr);
        closed(reason);
    }
}

Result<> PacketChannel::send_now(const Waiting& packet) const {
    std::vector<int> fds;
    fds.reserve(packet.fds.size());
    for (const UniqueFd& fd : packet.fds) {
        fds.push_back(fd.get());
    }
    return send_packet(socket_.get(), packet.bytes, fds);
}

bool PacketChannel::send(Bytes bytes, std::vector<UniqueFd> fds) {
    if (!socket_.valid() || waiting_.size() >= kMaxWaitingPackets) {
        return false;
    }
    waiting_.push_back({std::move(bytes), std::move(fds)});
    if (waiting_.size() == 1) {
        flush();
    }
    return true;
}

void PacketChannel::flush() {
    while (socket_.valid() && !waiting_.empty()) {
        const auto sent = send_now(waiting_.front());
        if (!sent && would_block(sent.error())) {
            break;
        }
        if (!sent) {
            // What the peer said last may still be there to read.
            const auto opened = opened_;
            drain();
            if (opened == opened_) {
                fail(sent.error().message());
            }
            return;
        }
        waiting_.pop_front();
    }
    if (socket_.valid()) {
        static_cast<void>(
            loop_->change(socket_.get(), waiting_.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT));
    }
}

void PacketChannel::drain() {
    for (int turn = 0; turn < kPacketsPerTurn && socket_.valid(); ++turn) {
        auto packet = receive_packet(socket_.get(), max_packet_);
        if (!packet && would_block(packet.error())) {
            return;
        }
        if (!packet) {
            fail(packet.error().message());
            return;
        }
        if (packet->end_of_stream) {
            fail("the other side closed it");
            return;
        }
        receiver_(std::move(*packet));
    }
}

void PacketChannel::handle(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
        flush();
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        drain();
    }
}

}  // namespace casemate::enclave
