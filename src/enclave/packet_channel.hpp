// PacketChannel: a control socket (SOCK_SEQPACKET) on the event loop, with a bounded queue of what
// the peer has not taken yet.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/socket.hpp"

namespace casemate::enclave {

// How many packets may wait for a peer that does not read.
inline constexpr std::size_t kMaxWaitingPackets = 1024;

class PacketChannel {
public:
    using Receiver = std::function<void(Packet)>;
    // The sentence says how the channel ended; it is called once at most, and never for close().
    using Closed = std::function<void(std::string reason)>;

    explicit PacketChannel(EventLoop& loop) : loop_(&loop) {}
    PacketChannel(const PacketChannel&) = delete;
    PacketChannel& operator=(const PacketChannel&) = delete;
    ~PacketChannel() { close(); }

    // open takes the socket and watches it; the receiver gets each packet of at most max_packet
    // bytes.
    [[nodiscard]] Result<> open(UniqueFd socket, std::size_t max_packet, Receiver receiver,
                                Closed closed);
    // send sends or queues one packet with its descriptors. False: the channel is closed or the
    // queue is full, and the descriptors are closed.
    [[nodiscard]] bool send(Bytes bytes, std::vector<UniqueFd> fds = {});
    void close();
    [[nodiscard]] bool is_open() const { return socket_.valid(); }
    // drain receives what has already arrived.
    void drain();

private:
    struct Waiting {
        Bytes bytes;
        std::vector<UniqueFd> fds;
    };

    void handle(std::uint32_t events);
    void flush();
    void fail(const std::string& reason);
    [[nodiscard]] Result<> send_now(const Waiting& packet) const;

    EventLoop* loop_;
    UniqueFd socket_;
    // How often open has been called.
    std::uint64_t opened_ = 0;
    std::size_t max_packet_ = 0;
    Receiver receiver_;
    Closed closed_;
    std::deque<Waiting> waiting_;
};

}  // namespace casemate::enclave
