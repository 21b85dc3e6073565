// ControlChannel: the VMM's end of the control socket (machine/control.hpp).
#pragma once

#include <deque>
#include <functional>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/socket.hpp"
#include "machine/control.hpp"

namespace casemate::vmm {

// ControlChannel never makes the event loop wait: packets that the supervisor does not take yet are
// kept, in order.
class ControlChannel {
public:
    // The most packets kept. The guest decides how many ConnectRequests there are.
    static constexpr std::size_t kMaxWaiting = 4096;

    using Received =
        std::function<void(machine::SupervisorMessage message, std::vector<UniqueFd> descriptors)>;
    // Lost: the supervisor has closed the socket or sent what is not in the protocol.
    using Lost = std::function<void(const Error& reason)>;

    ControlChannel(EventLoop& loop, UniqueFd socket) : loop_(&loop), socket_(std::move(socket)) {}
    ControlChannel(const ControlChannel&) = delete;
    ControlChannel& operator=(const ControlChannel&) = delete;
    ~ControlChannel();

    // receive waits for one message, before watch.
    [[nodiscard]] Result<std::pair<machine::SupervisorMessage, std::vector<UniqueFd>>> receive()
        const;
    // watch has every further message given to received, from the loop.
    [[nodiscard]] Result<> watch(Received received, Lost lost);

    // send says false when too many packets wait; then nothing was sent or kept.
    bool send(const machine::VmmMessage& message);
    // send_last waits until the supervisor has taken all that waits and this message.
    [[nodiscard]] Result<> send_last(const machine::VmmMessage& message);

private:
    void ready(std::uint32_t events);
    void receive_all();
    void send_waiting();
    void lose(const Error& reason);

    EventLoop* loop_;
    UniqueFd socket_;
    Received received_;
    Lost lost_;
    bool watching_ = false;
    std::deque<Bytes> waiting_;
};

}  // namespace casemate::vmm
