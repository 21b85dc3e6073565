#include "vmm/console.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/os_error.hpp"

namespace casemate::vmm {

Console::Console(EventLoop& loop, UniqueFd output, UniqueFd wake, Panicked panicked)
    : loop_(&loop),
      output_(std::move(output)),
      wake_(std::move(wake)),
      panicked_(std::move(panicked)) {
}

Console::~Console() {
    loop_->remove(wake_.get());
    loop_->cancel(timer_);
    if (waiting_for_reader_) {
        loop_->remove(output_.get());
    }
}

Result<std::unique_ptr<Console>> Console::create(EventLoop& loop, UniqueFd output,
                                                 Panicked panicked) {
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake.valid()) {
        return os_error("eventfd for the console");
    }
    if (output.valid()) {
        CASEMATE_CHECK(set_nonblocking(output.get(), true));
    }
    std::unique_ptr<Console> console(
        new Console(loop, std::move(output), std::move(wake), std::move(panicked)));
    CASEMATE_CHECK(loop.add(console->wake_.get(), EPOLLIN,
                            [self = console.get()](std::uint32_t /*events*/) { self->woken(); }));
    return console;
}

void Console::put(std::uint8_t byte) {
    {
        const std::lock_guard lock(mutex_);
        if (auto line = scanner_.take(byte)) {
            panic_ = std::move(line);
        }
        if (!output_.valid()) {
            if (!panic_) {
                return;
            }
        } else if (buffer_.size() < kBufferSize) {
            buffer_.push_back(static_cast<char>(byte));
        } else {
            ++dropped_;
        }
        if (woken_) {
            return;
        }
        woken_ = true;
    }
    wake();
}

void Console::wake() const {
    const std::uint64_t one = 1;
    // The only failure is a full counter, which wakes the loop as well.
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Console::woken() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(wake_.get(), &count, sizeof count);
    timer_ = loop_->after(kGather, [this] { drain(); });
}

void Console::drain() {
    timer_ = 0;
    {
        const std::lock_guard lock(mutex_);
        woken_ = false;
    }
    tell_panic();
    if (waiting_for_reader_ || write_some()) {
        return;
    }
    waiting_for_reader_ = true;
    const auto added = loop_->add(output_.get(), EPOLLOUT, [this](std::uint32_t /*events*/) {
        if (write_some()) {
            waiting_for_reader_ = false;
            loop_->remove(output_.get());
        }
    });
    if (!added) {
        // Files that can't be waited for don't fill up either.
        waiting_for_reader_ = false;
    }
}

void Console::tell_panic() {
    std::optional<std::string> line;
    {
        const std::lock_guard lock(mutex_);
        line.swap(panic_);
    }
    if (line) {
        panicked_(std::move(*line));
    }
}

void Console::refill() {
    const std::lock_guard lock(mutex_);
    writing_.swap(buffer_);
    buffer_.clear();
    if (dropped_ > 0) {
        writing_ += "\r\n[casemate: " + std::to_string(dropped_) +
                    " bytes of console output were lost]\r\n";
        dropped_ = 0;
    }
}

bool Console::write_some() {
    if (!output_.valid()) {
        return true;
    }
    for (;;) {
        if (writing_.empty()) {
            refill();
        }
        if (writing_.empty()) {
            return true;
        }
        const ssize_t written = ::write(output_.get(), writing_.data(), writing_.size());
        if (written > 0) {
            writing_.erase(0, static_cast<std::size_t>(written));
        } else if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return false;
        } else if (written < 0 && errno != EINTR) {
            // Nobody reads any more: the guest goes on without a console.
            const std::lock_guard lock(mutex_);
            writing_.clear();
            buffer_.clear();
            dropped_ = 0;
            return true;
        }
    }
}

void Console::flush(std::chrono::milliseconds at_most) {
    tell_panic();
    const auto deadline = EventLoop::Clock::now() + at_most;
    while (!write_some()) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - EventLoop::Clock::now());
        pollfd wanted{output_.get(), POLLOUT, 0};
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) {
            return;
        }
    }
}

}  // namespace casemate::vmm
