#include "enclave/broker.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <charconv>

#include "base/os_error.hpp"
#include "base/socket.hpp"

namespace casemate::enclave {

std::optional<std::uint32_t> parse_connect_line(std::string_view line) {
    constexpr std::string_view kVerb = "CONNECT ";
    if (!line.starts_with(kVerb)) {
        return std::nullopt;
    }
    const std::string_view digits = line.substr(kVerb.size());
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    const bool leading_zero = digits.size() > 1 && digits.front() == '0';
    if (error != std::errc() || end != digits.data() + digits.size() || leading_zero) {
        return std::nullopt;
    }
    return port;
}

StreamBroker::~StreamBroker() {
    *alive_ = false;
    while (!greetings_.empty()) {
        end_greeting(greetings_.begin()->first);
    }
    loop_->remove(listener_.get());
}

Result<> StreamBroker::listen(const std::string& path) {
    CASEMATE_TRY(listener_, listen_unix(path, SOCK_STREAM | SOCK_NONBLOCK, 0600));
    return loop_->add(listener_.get(), 0, [this](std::uint32_t) { accept_some(); });
}

void StreamBroker::guest_can_be_reached() {
    reachable_ = true;
    watch_listener();
}

void StreamBroker::guest_is_gone() {
    // Another guest's requests have the same numbers.
    *alive_ = false;
    alive_ = std::make_shared<bool>(true);
    retrying_ = 0;
    reachable_ = false;
    watch_listener();
}

void StreamBroker::watch_listener() {
    const bool open = reachable_ && greetings_.size() < kMaxGreetings;
    if (listener_.valid()) {
        static_cast<void>(
            loop_->change(listener_.get(), open ? static_cast<std::uint32_t>(EPOLLIN) : 0));
    }
}

void StreamBroker::accept_some() {
    while (greetings_.size() < kMaxGreetings) {
        UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!socket.valid()) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                // The client stays in the queue; without a pause the loop would spin on it.
                static_cast<void>(loop_->change(listener_.get(), 0));
                loop_->after(std::chrono::milliseconds(100), [this, alive = alive_] {
                    if (*alive) {
                        watch_listener();
                    }
                });
            }
            return;
        }
        const int fd = socket.get();
        if (!loop_->add(fd, EPOLLIN | EPOLLRDHUP, [this, fd](std::uint32_t) { greet(fd); })) {
            continue;
        }
        const auto timer = loop_->after(kGreetingTime, [this, fd] { end_greeting(fd); });
        greetings_.emplace(fd, Greeting{std::move(socket), timer, {}});
    }
    watch_listener();
}

void StreamBroker::end_greeting(int socket) {
    const auto found = greetings_.find(socket);
    if (found != greetings_.end()) {
        loop_->remove(socket);
        loop_->cancel(found->second.timer);
        greetings_.erase(found);
        watch_listener();
    }
}

// One byte at a time, so that nothing after the line is taken: that belongs to the guest.
void StreamBroker::greet(int socket) {
    const auto found = greetings_.find(socket);
    if (found == greetings_.end()) {
        return;
    }
    std::string& line = found->second.line;
    while (!line.ends_with('\n')) {
        char byte = 0;
        const ssize_t size = ::recv(socket, &byte, 1, MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (size <= 0 || line.size() >= kMaxConnectLine) {
            end_greeting(socket);
            return;
        }
        line.push_back(byte);
    }
    const auto port = parse_connect_line(std::string_view(line).substr(0, line.size() - 1));
    UniqueFd stream = port ? std::move(found->second.socket) : UniqueFd();
    end_greeting(socket);
    if (stream.valid()) {
        static_cast<void>(hooks_.open_stream(*port, std::move(stream)));
    }
}

void StreamBroker::connect(std::uint64_t request_id, std::uint32_t port) {
    try_connect(request_id, port, 0);
}

void StreamBroker::try_connect(std::uint64_t request_id, std::uint32_t port, int attempt) {
    for (const std::string& directory : directories_) {
        auto socket =
            try_connect_unix(directory + "/" + std::to_string(port), SOCK_STREAM | SOCK_NONBLOCK);
        if (socket) {
            hooks_.answer(request_id, std::move(*socket));
            return;
        }
        const bool queue_full = socket.error().is(static_cast<Errno>(EAGAIN));
        if (queue_full && attempt < kMaxRetries && retrying_ < kMaxRetrying) {
            ++retrying_;
            loop_->after(kRetryPause, [this, request_id, port, attempt, alive = alive_] {
                if (*alive) {
                    --retrying_;
                    try_connect(request_id, port, attempt + 1);
                }
            });
            return;
        }
    }
    hooks_.answer(request_id, UniqueFd());
}

}  // namespace casemate::enclave
