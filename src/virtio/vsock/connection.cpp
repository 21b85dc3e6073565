#include "virtio/vsock/connection.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace casemate::virtio::vsock {

Connection::Connection(const Address& address, State state, std::uint32_t buffer_size)
    : address_(address), state_(state), outbox_(buffer_size), buffer_size_(buffer_size) {
}

// --- the guest's side ---

void Connection::take_credit(const Header& header) {
    guest_buffer_size_ = header.buffer_size;
    guest_forwarded_ = header.forwarded;
    if (credit() > 0) {
        credit_requested_ = false;
    }
}

bool Connection::accept_payload(std::uint32_t size) {
    const std::uint32_t held = received_ - forwarded_;
    if ((guest_ended_ & kShutdownSend) != 0 || size > buffer_size_ - held) {
        return false;
    }
    received_ += size;
    return true;
}

void Connection::deliver(std::span<iovec> parts, std::size_t size) {
    if ((host_ended_ & kShutdownReceive) != 0) {
        forward(size);  // nobody reads them, as the guest has been told
        return;
    }
    std::size_t taken = 0;
    if (outbox_.empty()) {
        taken = send(parts, size);
        forward(taken);
    }
    if (taken < size) {
        outbox_.append(parts, taken);
    }
}

void Connection::guest_shutdown(std::uint32_t flags) {
    guest_ended_ |= flags & kShutdownBoth;
    if ((guest_ended_ & kShutdownReceive) != 0) {
        ::shutdown(socket_.get(), SHUT_RD);
    }
    pass_on_guest_end();
}

// pass_on_guest_end ends the stream on the host's side, after its last byte.
void Connection::pass_on_guest_end() {
    if ((guest_ended_ & kShutdownSend) != 0 && outbox_.empty() && !end_passed_on_) {
        end_passed_on_ = true;
        ::shutdown(socket_.get(), SHUT_WR);
    }
}

// --- the host's side ---

bool Connection::say(std::string_view line) const {
    const ssize_t said =
        ::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return said == static_cast<ssize_t>(line.size());
}

void Connection::host_writable() {
    while (!outbox_.empty()) {
        auto pieces = outbox_.peek();
        const std::size_t held = outbox_.size();
        const std::size_t taken = send(pieces, held);
        outbox_.consume(taken);
        forward(taken);
        if (taken < held) {
            return;
        }
    }
    pass_on_guest_end();
}

void Connection::host_gone() {
    gone_ = true;
    host_readable(true);
    if ((host_ended_ & kShutdownSend) != 0 || (guest_ended_ & kShutdownReceive) != 0) {
        // The stream's end has been read already, or will not be: nothing is left to pass on.
        tell_shutdown(kShutdownBoth);
    }
}

std::size_t Connection::send(std::span<iovec> parts, std::size_t size) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t taken = 0;
    do {
        taken = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (taken < 0 && errno == EINTR);
    if (taken >= 0) {
        return static_cast<std::size_t>(taken);
    }
    if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
        return 0;
    }
    // Nobody reads any more: the bytes go nowhere, and the guest is told to stop.
    tell_shutdown(kShutdownReceive);
    return size;
}

std::size_t Connection::receive(std::span<iovec> parts, std::size_t size) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        const auto count = static_cast<std::size_t>(got);
        sent_ += static_cast<std::uint32_t>(count);
        // A short read means that the socket is empty; whatever comes later is a new edge, except
        // for an end that has been announced already. A read also stops at descriptors that the
        // program sent along: the kernel drops them and says so.
        const bool stopped = (message.msg_flags & MSG_CTRUNC) != 0;
        readable_ = count == size || end_announced_ || stopped;
        return count;
    }
    readable_ = false;
    if (got < 0 && errno == EAGAIN) {
        return 0;
    }
    tell_shutdown(gone_ || got < 0 ? kShutdownBoth : kShutdownSend);
    return 0;
}

// --- ending ---

void Connection::close_with_reset() {
    state_ = State::closing;
    owed_ = owes_reset;
}

bool Connection::linger() {
    state_ = State::lingering;
    owed_ = 0;
    guest_ended_ = kShutdownBoth;
    return wants_writable();
}

void Connection::tell_shutdown(std::uint32_t flags) {
    if ((host_ended_ & flags) != flags && state_ == State::established) {
        owed_ |= owes_shutdown;
    }
    host_ended_ |= flags;
}

bool Connection::finished() const {
    return state_ == State::established && guest_ended_ == kShutdownBoth;
}

// --- credit ---

void Connection::ask_credit() {
    if (!credit_requested_) {
        credit_requested_ = true;
        owed_ |= owes_credit_request;
    }
}

std::uint32_t Connection::credit() const {
    const std::uint32_t under_way = sent_ - guest_forwarded_;
    // A guest that shrinks its buffer, or lies, has none.
    return under_way >= guest_buffer_size_ ? 0 : guest_buffer_size_ - under_way;
}

void Connection::forward(std::size_t size) {
    forwarded_ += static_cast<std::uint32_t>(size);
    // Told at half of the buffer: a guest that sends without pause is told before it has to stop,
    // and hears of it twice a buffer only. Data packets tell as well.
    if (state_ == State::established && forwarded_ - told_forwarded_ >= buffer_size_ / 2) {
        owed_ |= owes_credit_update;
    }
}

bool Connection::can_receive() const {
    return state_ == State::established && readable_ && (guest_ended_ & kShutdownReceive) == 0 &&
           (host_ended_ & kShutdownSend) == 0 && (credit() > 0 || !credit_requested_);
}

// --- packets ---

Header Connection::header(std::uint64_t guest_cid, Operation operation) {
    Header header;
    header.source_cid = address_.host_cid;
    header.destination_cid = guest_cid;
    header.source_port = address_.host_port;
    header.destination_port = address_.guest_port;
    header.operation = operation;
    header.buffer_size = buffer_size_;
    header.forwarded = forwarded_;
    told_forwarded_ = forwarded_;
    owed_ &= ~static_cast<std::uint32_t>(owes_credit_update);
    return header;
}

Header Connection::data_packet(std::uint64_t guest_cid, std::uint32_t size) {
    Header packet = header(guest_cid, Operation::data);
    packet.length = size;
    return packet;
}

Header Connection::next_packet(std::uint64_t guest_cid) {
    // A connection begins before anything else is said, and ends after.
    constexpr std::pair<std::uint32_t, Operation> kOrder[] = {
        {owes_reset, Operation::reset},       {owes_request, Operation::request},
        {owes_response, Operation::response}, {owes_credit_request, Operation::credit_request},
        {owes_shutdown, Operation::shutdown}, {owes_credit_update, Operation::credit_update},
    };
    for (const auto& [what, operation] : kOrder) {
        if ((owed_ & what) != 0) {
            owed_ &= ~what;
            Header packet = header(guest_cid, operation);
            packet.flags = operation == Operation::shutdown ? host_ended_ : 0;
            return packet;
        }
    }
    return header(guest_cid, Operation::credit_update);
}

}  // namespace casemate::virtio::vsock
