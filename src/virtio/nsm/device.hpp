// The Nitro Security Module's device: virtio id 33, one queue (formats.md 2.1; its driver is Linux
// drivers/misc/nsm.c). It carries packets between the guest and the security module's process and
// knows nothing of what they say, except when it must answer itself.
#pragma once

#include <array>
#include <functional>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "virtio/device.hpp"

namespace casemate::virtio {

// A transaction is two chains of one queue: the request, read by the device, then the response,
// written by it. Both go back in that order before one interrupt is raised. One transaction is
// under way at a time; the rest wait in the queue.
class NsmDevice final : public Device {
public:
    // The driver's limits in bytes.
    static constexpr std::size_t kMaxRequest = 0x1000;
    static constexpr std::size_t kMaxResponse = 0x3000;
    // The module must answer within this time. The driver gives up after 120 s and would then take
    // a late answer for that of its next request, so a late module is not listened to any more.
    static constexpr std::chrono::seconds kAnswerTimeout{60};

    // ModuleGone is told once when the module has closed its socket, misbehaved or been late. From
    // then on every request is answered with InternalError. It must not call the device or its
    // transport.
    using ModuleGone = std::function<void(const Error& reason)>;

    // loop stays the caller's; module is a SOCK_SEQPACKET socket that carries one request packet
    // and one response packet in turn.
    NsmDevice(EventLoop& loop, UniqueFd module, ModuleGone on_module_gone,
              std::chrono::milliseconds answer_timeout = kAnswerTimeout);
    ~NsmDevice() override;

    [[nodiscard]] std::uint32_t id() const override { return 33; }
    [[nodiscard]] std::uint64_t features() const override { return 0; }
    [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const override;
    [[nodiscard]] ByteView config() const override { return {}; }
    void attach(Transport& transport) override { transport_ = &transport; }
    void reset() override;
    void queue_notified(std::size_t index) override;

private:
    enum class State {
        // Nothing asked of the module.
        idle,
        // The module owes the answer to the transaction in request_ and response_.
        asked,
        // The module owes an answer that nobody waits for: the driver has reset the device.
        abandoned,
    };

    [[nodiscard]] Result<bool> take_transaction(Queue& queue);
    void forward(Queue& queue);
    void answer(Queue& queue, ByteView packet);
    void module_ready();
    void receive_answer();
    void lose_module(const Error& reason);
    void start_timer();
    void stop_timer();

    EventLoop& loop_;
    UniqueFd module_;
    ModuleGone on_module_gone_;
    const std::chrono::milliseconds answer_timeout_;
    Transport* transport_ = nullptr;

    State state_ = State::idle;
    Chain request_;
    Chain response_;
    EventLoop::TimerId timer_ = 0;
    std::array<std::uint8_t, kMaxRequest> request_bytes_{};
    std::array<std::uint8_t, kMaxResponse> response_bytes_{};
};

}  // namespace casemate::virtio
