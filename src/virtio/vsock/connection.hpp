// Connection: one stream between the guest and a socket of the host: its state, its credit in both
// directions, and what is to be said to the guest next. It knows no queue and no event loop.
#pragma once

#include <compare>
#include <cstdint>
#include <span>

#include "base/fd.hpp"
#include "virtio/vsock/outbox.hpp"
#include "virtio/vsock/packet.hpp"

namespace casemate::virtio::vsock {

// Address: what tells one connection of a guest from another.
struct Address {
    std::uint32_t host_port = 0;
    std::uint32_t guest_port = 0;
    std::uint64_t host_cid = 0;

    bool operator==(const Address&) const = default;
};

enum class State {
    // The guest asks; the supervisor has not said yet.
    awaiting_host,
    // A program of the parent asks; the guest has not said yet.
    awaiting_guest,
    established,
    // Over, but the guest has not been told: a RST is owed, and the address is taken until then.
    closing,
    // Over for the guest, while the host's socket has not taken all of its bytes.
    lingering,
};

class Connection {
public:
    // What may be owed to the guest, one packet each. Bits of a set.
    enum Owed : std::uint32_t {
        owes_request = 1,
        owes_response = 2,
        owes_credit_update = 4,
        owes_credit_request = 8,
        owes_shutdown = 16,
        owes_reset = 32,
    };

    // buffer_size is how many bytes the guest may send ahead of the host's socket.
    Connection(const Address& address, State state, std::uint32_t buffer_size);

    [[nodiscard]] const Address& address() const { return address_; }
    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] int fd() const { return socket_.get(); }
    [[nodiscard]] std::uint32_t buffer_size() const { return buffer_size_; }

    // --- what the guest's packets do; false where the packet breaks the protocol ---

    // take_credit notes what every packet of the guest says about its own buffer.
    void take_credit(const Header& header);
    // accept_payload: size bytes come; false when the guest had no credit for them, or has said
    // that it sends no more.
    [[nodiscard]] bool accept_payload(std::uint32_t size);
    // deliver sends accepted bytes to the host's socket or keeps them.
    void deliver(std::span<iovec> parts, std::size_t size);
    // guest_shutdown: the guest will not receive or send any more.
    void guest_shutdown(std::uint32_t flags);
    void owe(std::uint32_t what) { owed_ |= what; }

    // --- what the host does ---

    // establish: both sides agree. The socket is set beforehand.
    void establish() { state_ = State::established; }
    void set_socket(UniqueFd socket) { socket_ = std::move(socket); }
    // say writes a short line on the host's socket, past the stream; false when it is not taken.
    [[nodiscard]] bool say(std::string_view line) const;
    // host_readable: there may be something to receive; with ended, the stream's end after it.
    void host_readable(bool ended) {
        readable_ = true;
        end_announced_ = end_announced_ || ended;
    }
    // host_writable: the socket takes bytes again.
    void host_writable();
    // host_gone: nobody holds the other end of the socket.
    void host_gone();
    // ask_credit owes the guest a credit request, unless one is unanswered.
    void ask_credit();
    // receive reads from the socket straight into the guest's buffers of size bytes together, which
    // are no more than credit(); gives the number of bytes.
    [[nodiscard]] std::size_t receive(std::span<iovec> parts, std::size_t size);

    // --- ending ---

    // close_with_reset: the guest is to be told RST, and nothing else any more.
    void close_with_reset();
    // linger: the guest has forgotten the connection; false when there is nothing left to do.
    [[nodiscard]] bool linger();

    // --- what is to do ---

    // credit is the number of bytes that the guest can take now.
    [[nodiscard]] std::uint32_t credit() const;
    // can_receive: bytes from the host may be there, and the guest can take some.
    [[nodiscard]] bool can_receive() const;
    // has_work: the guest is owed a packet or can be given bytes.
    [[nodiscard]] bool has_work() const { return owed_ != 0 || can_receive(); }
    // finished: the guest will neither send nor receive; it waits for a RST.
    [[nodiscard]] bool finished() const;
    // awaiting_end: the guest has been told that the host is gone, and should answer RST.
    [[nodiscard]] bool awaiting_end() const {
        return state_ == State::established && host_ended_ == kShutdownBoth;
    }
    // wants_writable: bytes wait for the socket to take them.
    [[nodiscard]] bool wants_writable() const { return !outbox_.empty() && socket_.valid(); }
    [[nodiscard]] std::uint32_t owed() const { return owed_; }

    // next_packet gives the next packet that is owed, and strikes it off.
    [[nodiscard]] Header next_packet(std::uint64_t guest_cid);
    // data_packet gives the header for bytes received.
    [[nodiscard]] Header data_packet(std::uint64_t guest_cid, std::uint32_t size);

    // Kept for the device, which alone uses them.
    struct Bookkeeping {
        // The supervisor's request while awaiting_host.
        std::uint64_t request_id = 0;
        // In the device's list of connections with work.
        bool scheduled = false;
        // EPOLLOUT is being watched.
        bool watching_writable = false;
        // Ticks until the device gives up; 0: never.
        std::uint32_t ticks_left = 0;
        // How many receive buffers the next read is offered.
        std::uint32_t buffers = 1;
    };
    Bookkeeping bookkeeping;

private:
    [[nodiscard]] Header header(std::uint64_t guest_cid, Operation operation);
    void forward(std::size_t size);
    // send writes to the socket; gives how many bytes it took, which is all of them once nobody
    // reads any more.
    [[nodiscard]] std::size_t send(std::span<iovec> parts, std::size_t size);
    void tell_shutdown(std::uint32_t flags);
    void pass_on_guest_end();

    Address address_;
    State state_;
    UniqueFd socket_;
    Outbox outbox_;
    std::uint32_t owed_ = 0;

    // The end of each direction: what the guest will no more do, what the guest has been or is to
    // be told that the host will no more do.
    std::uint32_t guest_ended_ = 0;
    std::uint32_t host_ended_ = 0;
    bool readable_ = false;
    bool end_announced_ = false;
    bool gone_ = false;
    // end_passed_on: the socket has been shut for writing since the guest sends no more.
    bool end_passed_on_ = false;

    // Credit for the guest: all modulo 2^32 (virtio 1.2, 5.10.6.3).
    std::uint32_t buffer_size_;
    std::uint32_t received_ = 0;
    std::uint32_t forwarded_ = 0;
    std::uint32_t told_forwarded_ = 0;
    // Credit from the guest.
    std::uint32_t sent_ = 0;
    std::uint32_t guest_buffer_size_ = 0;
    std::uint32_t guest_forwarded_ = 0;
    bool credit_requested_ = false;
};

}  // namespace casemate::virtio::vsock
