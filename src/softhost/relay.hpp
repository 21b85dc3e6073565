// Relay: one end of the serial port between the supervisor and the software host. The same class
// runs outside, in the supervisor's process, and inside, in the software host's first process.
//
// Its local side is the sockets that the supervisor and casemate-vmm share when no software host is
// between them: the control socket, and whatever streams and packet sockets travel over it as
// descriptors. Its far side is a byte stream of frames (frame.hpp). Neither the supervisor nor the
// VMM can tell that it is there: packets keep their boundaries, streams their half-closes, and one
// that nobody reads holds up no other.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "softhost/frame.hpp"

namespace casemate::softhost {

// The bytes that one side may have on its way to the other on one channel.
inline constexpr std::uint32_t kWindow = 256 * 1024;
// The most channels at a time; one more is SofthostErrc::protocol.
inline constexpr std::size_t kMaxChannels = 65536;

// Relay is used from its loop's thread. SIGPIPE has to be ignored in the process.
class Relay {
public:
    // Side decides who numbers channels how, and that only the outside opens any.
    enum class Side { outside, inside };

    // Handlers are called from the loop, never from a call into the relay; all may be empty.
    struct Handlers {
        // hello: outside; the software host has said that it is ready, or why it is not.
        std::function<void(const Hello&)> hello;
        // failure: outside; the software host's last sentence. `ended` follows.
        std::function<void(const std::string&)> failure;
        // packet: a control packet that arrived while no control socket was attached, with the
        // descriptors it carried; one that was left out is invalid.
        std::function<void(Bytes, std::vector<UniqueFd>)> packet;
        // ended: once; no more is relayed. Success when the control socket's conversation was over
        // and all it left behind delivered, else what went wrong. The relay may be destroyed here.
        std::function<void(Result<>)> ended;
    };

    // create relays over far, a stream socket or a serial port, which it owns and makes
    // non-blocking.
    [[nodiscard]] static Result<std::unique_ptr<Relay>> create(EventLoop& loop, Side side,
                                                               UniqueFd far, Handlers handlers);
    ~Relay();
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // attach_control relays packets of this SOCK_SEQPACKET socket from now on. Once.
    [[nodiscard]] Result<> attach_control(UniqueFd socket);
    // take_control gives the control socket back, as when the relay has ended and a last packet has
    // to be sent on it; invalid if none is attached or it has closed.
    [[nodiscard]] UniqueFd take_control();

    // send_hello and send_failure tell the far side; the sentence is cut at kMaxSentence.
    void send_hello(const Hello& hello);
    void send_failure(std::string_view sentence);

    // unsent counts the bytes that the far side has not taken yet.
    [[nodiscard]] std::size_t unsent() const { return out_.size() - out_begin_; }
    // channel_count counts open channels, the control channel included.
    [[nodiscard]] std::size_t channel_count() const { return channels_.size(); }

private:
    // Something on its way to a local socket.
    struct Pending {
        Bytes bytes;
        std::vector<UniqueFd> fds;
        // What a packet cost in credit; bytes of a stream cost one each.
        std::size_t cost = 0;
    };

    struct Channel {
        std::uint32_t id = 0;
        AttachmentKind kind = AttachmentKind::stream;
        UniqueFd fd;
        // The socket may have something to read; cleared when it says it has not.
        bool readable = false;
        // In the queue of channels to read from.
        bool queued = false;
        bool finish_sent = false;
        bool finish_received = false;
        // A last frame (gone or reset) went this way or that way; after both, it is forgotten.
        bool last_sent = false;
        bool last_received = false;
        bool shut_down = false;
        std::uint32_t send_credit = kWindow;
        std::uint32_t receive_credit = kWindow;
        // Bytes delivered locally that no credit was given for yet.
        std::uint32_t to_grant = 0;
        std::deque<Pending> pending;
        std::size_t pending_offset = 0;
    };

    Relay(EventLoop& loop, Side side, UniqueFd far, Handlers handlers);

    // Far side.
    void on_far(std::uint32_t events);
    [[nodiscard]] Result<> read_far();
    [[nodiscard]] Result<> handle(const Frame& frame);
    [[nodiscard]] Result<> handle_unnumbered(const Frame& frame);
    [[nodiscard]] Result<> handle_data(Channel& channel, ByteView payload);
    [[nodiscard]] Result<> handle_packet(Channel& channel, ByteView payload);
    [[nodiscard]] Result<> handle_credit(Channel& channel, ByteView payload);
    void handle_last(Channel& channel, bool broken);
    [[nodiscard]] static Result<> accept_bytes(Channel& channel, std::size_t size);
    [[nodiscard]] Result<std::vector<UniqueFd>> accept(const std::vector<Attachment>& attachments);
    void on_far_over();
    [[nodiscard]] bool write_far();

    // Local side.
    [[nodiscard]] Result<> add_channel(std::uint32_t id, AttachmentKind kind, UniqueFd fd);
    void on_local(std::uint32_t id, std::uint32_t events);
    void want_read(Channel& channel);
    [[nodiscard]] bool read_local(Channel& channel);
    [[nodiscard]] bool read_stream(Channel& channel);
    [[nodiscard]] bool read_packet(Channel& channel);
    [[nodiscard]] Attachment attach(UniqueFd fd);
    void on_local_end(Channel& channel);
    void on_control_end();
    void deliver(Channel& channel);
    [[nodiscard]] bool deliver_one(Channel& channel);
    void grant(Channel& channel, std::size_t size);
    void send_last(Channel& channel, FrameKind kind);
    void break_channel(Channel& channel);
    void close_local(Channel& channel);
    void settle(Channel& channel);

    // Both.
    void pump();
    void fill();
    void watch_far();
    void sweep();
    void end(Result<> result);

    EventLoop& loop_;
    Side side_;
    UniqueFd far_;
    Handlers handlers_;
    FrameReader reader_;
    Bytes out_;
    std::size_t out_begin_ = 0;
    std::uint32_t far_events_ = 0;
    std::map<std::uint32_t, Channel> channels_;
    std::uint32_t next_channel_ = 0;
    std::uint32_t last_far_channel_ = 0;
    std::deque<std::uint32_t> to_read_;
    std::vector<std::uint32_t> forgotten_;
    bool control_attached_ = false;
    // The control socket has closed; its last frame waits for the other channels'.
    bool control_closing_ = false;
    // Outside: the inside has sent its control channel's last frame, and nothing counts after it.
    bool far_over_ = false;
    bool ended_ = false;
    std::vector<EventLoop::TimerId> timers_;
};

}  // namespace casemate::softhost
