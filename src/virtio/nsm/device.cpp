#include "virtio/nsm/device.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "base/os_error.hpp"
#include "base/socket.hpp"

namespace casemate::virtio {

namespace {

// The driver needs two descriptors. With no more of them it can't start a second transaction while
// the first is under way, even after it has given up on it.
constexpr std::array<std::uint16_t, 1> kQueueSizes{2};

// {"Error": "<code>"} in CBOR (formats.md 2.3).
constexpr std::string_view kInternalError =
    "\xa1\x65"
    "Error"
    "\x6d"
    "InternalError";
constexpr std::string_view kInputTooLarge =
    "\xa1\x65"
    "Error"
    "\x6d"
    "InputTooLarge";
constexpr std::string_view kInvalidOperation =
    "\xa1\x65"
    "Error"
    "\x70"
    "InvalidOperation";
constexpr std::string_view kBufferTooSmall =
    "\xa1\x65"
    "Error"
    "\x6e"
    "BufferTooSmall";

// pop_or_listen pops a chain; when it gives false, the driver has been asked to notify the next
// one.
Result<bool> pop_or_listen(Queue& queue, Chain& chain) {
    CASEMATE_TRY(const bool popped, queue.pop(chain));
    if (popped) {
        return true;
    }
    CASEMATE_TRY(const bool arrived, queue.listen());
    return arrived ? queue.pop(chain) : Result<bool>(false);
}

}  // namespace

NsmDevice::NsmDevice(EventLoop& loop, UniqueFd module, ModuleGone on_module_gone,
                     std::chrono::milliseconds answer_timeout)
    : loop_(loop),
      module_(std::move(module)),
      on_module_gone_(std::move(on_module_gone)),
      answer_timeout_(answer_timeout) {
    auto watched = loop_.add(module_.get(), EPOLLIN, [this](std::uint32_t) { module_ready(); });
    if (!watched) {
        lose_module(watched.error());
    }
}

NsmDevice::~NsmDevice() {
    stop_timer();
    loop_.remove(module_.get());
}

std::span<const std::uint16_t> NsmDevice::queue_sizes() const {
    return kQueueSizes;
}

void NsmDevice::reset() {
    if (state_ == State::asked) {
        state_ = State::abandoned;
    }
}

void NsmDevice::queue_notified(std::size_t /*index*/) {
    Queue* queue = transport_->queue(0);
    while (queue != nullptr && state_ == State::idle) {
        const auto taken = take_transaction(*queue);
        if (!taken) {
            transport_->fail(taken.error());
            return;
        }
        if (!*taken) {
            return;
        }
        forward(*queue);
    }
}

// take_transaction pops a request and its response; false when they are not both there yet, and
// then the driver will notify.
Result<bool> NsmDevice::take_transaction(Queue& queue) {
    CASEMATE_TRY(const bool asked, pop_or_listen(queue, request_));
    if (!asked) {
        return false;
    }
    if (request_.writable.size() > 0) {
        return Error(VirtioErrc::wrong_direction,
                     "expected a request to be read, found a buffer to be written");
    }
    CASEMATE_TRY(const bool answerable, pop_or_listen(queue, response_));
    if (!answerable) {
        queue.put_back(1);
        return false;
    }
    if (response_.readable.size() > 0 || response_.writable.size() == 0) {
        return Error(VirtioErrc::wrong_direction,
                     "expected a buffer for the response to be written");
    }
    return true;
}

void NsmDevice::forward(Queue& queue) {
    const std::size_t size = request_.readable.size();
    if (size == 0) {
        // A packet of no bytes would read as the socket's end; it is not a request either.
        answer(queue, as_bytes(kInvalidOperation));
        return;
    }
    const MutableBytes request = MutableBytes(request_bytes_).first(std::min(size, kMaxRequest));
    if (size > kMaxRequest || !request_.readable.read(0, request)) {
        answer(queue, as_bytes(kInputTooLarge));
        return;
    }
    if (!module_.valid()) {
        answer(queue, as_bytes(kInternalError));
        return;
    }
    iovec part{request.data(), request.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    // The one packet under way always fits the socket's buffer.
    if (::sendmsg(module_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        lose_module(os_error("send a request to the security module"));
        answer(queue, as_bytes(kInternalError));
        return;
    }
    state_ = State::asked;
    start_timer();
}

// answer completes the transaction in request_ and response_.
void NsmDevice::answer(Queue& queue, ByteView packet) {
    if (packet.size() > response_.writable.size()) {
        packet = as_bytes(kBufferTooSmall);
    }
    const bool fits = response_.writable.write(0, packet);
    queue.push(request_.head, 0);
    queue.push(response_.head, fits ? static_cast<std::uint32_t>(packet.size()) : 0);
    transport_->publish(queue);
    state_ = State::idle;
}

void NsmDevice::module_ready() {
    const Transport::Session session(*transport_);
    receive_answer();
    if (transport_->running()) {
        queue_notified(0);
    }
}

void NsmDevice::receive_answer() {
    iovec part{response_bytes_.data(), response_bytes_.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t got = ::recvmsg(module_.get(), &message, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got < 0) {
        lose_module(os_error("receive from the security module"));
        return;
    }
    if (got == 0) {
        lose_module(os_error("the security module has closed its socket", EPIPE));
        return;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0 || state_ == State::idle) {
        lose_module(os_error("expected one response of at most " + std::to_string(kMaxResponse) +
                                 " bytes per request from the security module",
                             EPROTO));
        return;
    }
    stop_timer();
    const State before = std::exchange(state_, State::idle);
    Queue* queue = transport_->queue(0);
    if (before == State::asked && queue != nullptr && transport_->running()) {
        answer(*queue, ByteView(response_bytes_).first(static_cast<std::size_t>(got)));
    }
}

void NsmDevice::lose_module(const Error& reason) {
    stop_timer();
    loop_.remove(module_.get());
    module_.reset();
    const State before = std::exchange(state_, State::idle);
    if (before == State::asked && transport_->running()) {
        if (Queue* queue = transport_->queue(0); queue != nullptr) {
            answer(*queue, as_bytes(kInternalError));
        }
    }
    if (on_module_gone_) {
        on_module_gone_(reason);
    }
}

void NsmDevice::start_timer() {
    timer_ = loop_.after(answer_timeout_, [this] {
        const Transport::Session session(*transport_);
        timer_ = 0;
        lose_module(os_error("wait for the security module's response", ETIMEDOUT));
        if (transport_->running()) {
            queue_notified(0);
        }
    });
}

void NsmDevice::stop_timer() {
    if (timer_ != 0) {
        loop_.cancel(std::exchange(timer_, 0));
    }
}

}  // namespace casemate::virtio
