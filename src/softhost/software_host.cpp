#include "softhost/software_host.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <utility>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "machine/control.hpp"
#include "softhost/error.hpp"

namespace casemate::softhost {

namespace {

// A line of the log that never ends is cut here.
constexpr std::size_t kMaxLine = 4096;

}  // namespace

SoftwareHost::SoftwareHost(EventLoop& loop, LaunchOptions options, UniqueFd control,
                           Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      control_(std::move(control)),
      handlers_(std::move(handlers)) {
}

Result<std::unique_ptr<SoftwareHost>> SoftwareHost::start(EventLoop& loop, LaunchOptions options,
                                                          UniqueFd control, Handlers handlers) {
    std::unique_ptr<SoftwareHost> host(
        new SoftwareHost(loop, std::move(options), std::move(control), std::move(handlers)));
    CASEMATE_CHECK(host->attempt());
    return host;
}

SoftwareHost::~SoftwareHost() {
    drop_attempt();
    if (next_step_) {
        loop_.cancel(*next_step_);
    }
}

Result<> SoftwareHost::attempt() {
    ++attempts_;
    started_ = std::chrono::steady_clock::now();
    CASEMATE_TRY(launched_, launch(options_));
    CASEMATE_CHECK(loop_.add(launched_->log.get(), EPOLLIN,
                             [this](std::uint32_t) { static_cast<void>(on_log()); }));
    Relay::Handlers handlers;
    handlers.hello = [this](const Hello& hello) { on_hello(hello); };
    handlers.ended = [this](const Result<>& result) { on_relay_end(result); };
    CASEMATE_TRY(relay_, Relay::create(loop_, Relay::Side::outside, std::move(launched_->port),
                                       std::move(handlers)));
    hello_timer_ = loop_.after(kHelloTimeout, [this] {
        hello_timer_.reset();
        try_again_or_end({SofthostErrc::not_ready, "expected a hello within " +
                                                       std::to_string(kHelloTimeout.count()) +
                                                       " seconds; its last words: " + last_line_});
    });
    return {};
}

void SoftwareHost::on_hello(const Hello& hello) {
    if (ready_) {
        return;
    }
    if (hello.version != kProtocolVersion) {
        return give_up_attempt({SofthostErrc::not_ready,
                                "expected version " + std::to_string(kProtocolVersion) +
                                    " of its protocol, got " + std::to_string(hello.version)});
    }
    if (!hello.kvm_works) {
        return give_up_attempt({SofthostErrc::kvm_unusable, hello.sentence});
    }
    loop_.cancel(*std::exchange(hello_timer_, std::nullopt));
    ready_ = true;
    if (auto attached = relay_->attach_control(std::move(control_)); !attached) {
        return give_up_attempt(std::move(attached).error());
    }
    if (handlers_.ready) {
        handlers_.ready(std::chrono::duration_cast<std::chrono::milliseconds>(
            std::chrono::steady_clock::now() - started_));
    }
}

// Reads once; true when there was something.
bool SoftwareHost::on_log() {
    std::array<std::uint8_t, 4096> buffer{};
    const auto got = read_some(launched_->log.get(), buffer);
    if (!got || *got == 0) {
        if (got || !got.error().is(Errno{EAGAIN})) {
            loop_.remove(launched_->log.get());
        }
        return false;
    }
    for (const char letter : as_text(ByteView(buffer).first(*got))) {
        if (letter == '\n' || partial_line_.size() == kMaxLine) {
            put_log_line(std::exchange(partial_line_, {}));
        }
        if (letter != '\n' && letter != '\r') {
            partial_line_ += letter;
        }
    }
    return true;
}

void SoftwareHost::put_log_line(std::string line) {
    if (handlers_.log) {
        handlers_.log(line);
    }
    last_line_ = std::move(line);
}

// Called by the relay, which may not be destroyed until it has returned.
void SoftwareHost::give_up_attempt(Error reason) {
    schedule([this, reason = std::move(reason)] { try_again_or_end(reason); });
}

void SoftwareHost::try_again_or_end(const Error& reason) {
    if (ready_ || attempts_ >= kAttempts) {
        return end(reason);
    }
    drop_attempt();
    if (auto tried = attempt(); !tried) {
        end(std::move(tried));
    }
}

void SoftwareHost::on_relay_end(const Result<>& result) {
    if (result) {
        return end({});
    }
    // Why it ended is often in the log, which may not have been read yet.
    while (on_log()) {
    }
    const std::string reason = how_qemu_ended() + result.error().detail();
    if (ready_ || last_line_.empty()) {
        return try_again_or_end({SofthostErrc::ended_early, reason});
    }
    try_again_or_end({SofthostErrc::not_ready, reason + "; its last words: " + last_line_});
}

// QEMU's port closes a moment before the kernel tells that it has ended.
std::string SoftwareHost::how_qemu_ended() {
    constexpr int kMoment = 500;
    pollfd ended{launched_->process.pidfd(), POLLIN, 0};
    if (::poll(&ended, 1, kMoment) != 1) {
        return "";
    }
    const auto status = launched_->process.wait();
    return status ? "QEMU ended with " + status->text() + ": " : "";
}

// Says what the VMM no longer can, lets go of everything and tells the owner.
void SoftwareHost::end(Result<> result) {
    if (!control_.valid() && relay_ != nullptr) {
        control_ = relay_->take_control();
    }
    if (!result && control_.valid()) {
        const machine::Exited exited{machine::ExitReason::failed, result.error().message()};
        static_cast<void>(send_packet(control_.get(), machine::encode(exited)));
    }
    control_.reset();
    schedule([this, result = std::move(result)] {
        drop_attempt();
        if (handlers_.ended) {
            // The handler may destroy this object, and with it the handler.
            const auto ended = std::move(handlers_.ended);
            ended(result);
        }
    });
}

void SoftwareHost::drop_attempt() {
    if (hello_timer_) {
        loop_.cancel(*std::exchange(hello_timer_, std::nullopt));
    }
    relay_.reset();
    if (launched_) {
        loop_.remove(launched_->log.get());
        launched_.reset();
    }
    partial_line_.clear();
}

// Runs what from the loop itself, when no function of the relay is active.
void SoftwareHost::schedule(std::function<void()> what) {
    if (next_step_) {
        loop_.cancel(*next_step_);
    }
    next_step_ = loop_.after(std::chrono::seconds(0), std::move(what));
}

}  // namespace casemate::softhost
