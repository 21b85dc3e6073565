// The vsock device (virtio 1.2, 5.10): the guest's AF_VSOCK on one side, stream sockets of the
// host, handed in by the supervisor, on the other. It opens nothing itself.
#pragma once

#include <array>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/event_loop.hpp"
#include "virtio/device.hpp"
#include "virtio/vsock/connection.hpp"

namespace casemate::virtio::vsock {

// VsockHost decides who the guest may connect to.
class VsockHost {
public:
    VsockHost() = default;
    VsockHost(const VsockHost&) = delete;
    VsockHost& operator=(const VsockHost&) = delete;
    virtual ~VsockHost() = default;

    // request_connection asks for a connection from the guest's source_port to port of cid, which
    // is 0, 2 or 3. It is answered by connection_accepted or connection_refused with the same id;
    // later, from the event loop, never from inside this call.
    virtual void request_connection(std::uint64_t id, std::uint32_t cid, std::uint32_t port,
                                    std::uint32_t source_port) = 0;
};

// VsockDevice moves bytes between descriptors of the guest and sockets without a copy of its own,
// several packets a system call in both directions. It copies only what a socket would not take,
// and of that no more than the credit it gave. Members are called by the event loop's thread.
class VsockDevice final : public Device {
public:
    // The most streams at a time; further ones are refused. Each takes a descriptor, so the
    // process's limit of those must be above it for all to be used.
    static constexpr std::size_t kMaxConnections = 4096;
    // What the guest may send ahead on one stream, in bytes: the larger while all promises together
    // stay below kPromised, the smaller from then on. At most 32 + 128 MiB are ever held.
    static constexpr std::uint32_t kBuffer = 256 * 1024;
    static constexpr std::uint32_t kSmallBuffer = 32 * 1024;
    static constexpr std::uint64_t kPromised = 32ULL * 1024 * 1024;

    // Timeouts are counted in ticks.
    struct Timeouts {
        std::chrono::milliseconds tick{1000};
        // connect: the guest has not answered a program of the parent.
        std::uint32_t connect = 10;
        // close: the guest does not end what the host has ended, or the host's program does not
        // take the last bytes (without taking any for that long). Linux's own is 8 s.
        std::uint32_t close = 8;
    };

    // guest_cid must be one that is_host does not claim. loop and host stay the caller's.
    VsockDevice(EventLoop& loop, VsockHost& host, std::uint32_t guest_cid, Timeouts timeouts);
    VsockDevice(EventLoop& loop, VsockHost& host, std::uint32_t guest_cid)
        : VsockDevice(loop, host, guest_cid, Timeouts{}) {}
    ~VsockDevice() override;

    // connection_accepted gives the connected stream socket for a request; one that the guest has
    // given up meanwhile is closed.
    void connection_accepted(std::uint64_t id, UniqueFd socket);
    // connection_refused: nobody listens there; the guest is told RST.
    void connection_refused(std::uint64_t id);
    // open_stream connects a program of the parent to the guest's port. On its socket it gets
    // "OK <source port>\n" once the guest has accepted, before any byte of the guest's; else the
    // socket is closed, at once when the guest has no driver running.
    void open_stream(std::uint32_t guest_port, UniqueFd socket);

    // drain takes what the guest has sent and nobody has told of yet: for when its last vCPU has
    // stopped, perhaps right after its last words.
    void drain();
    // has_unsent tells whether bytes of the guest wait for a socket to take them.
    [[nodiscard]] bool has_unsent() const;
    // connection_count counts the streams, closing ones included.
    [[nodiscard]] std::size_t connection_count() const { return idle_.size() + ready_.size(); }

    // Device
    [[nodiscard]] std::uint32_t id() const override { return 19; }
    [[nodiscard]] std::uint64_t features() const override { return kFeatureEventIndex; }
    [[nodiscard]] std::span<const std::uint16_t> queue_sizes() const override;
    [[nodiscard]] ByteView config() const override { return config_; }
    void attach(Transport& transport) override { transport_ = &transport; }
    void reset() override;
    void queue_notified(std::size_t index) override;

private:
    using Connections = std::list<Connection>;
    using Place = Connections::iterator;

    struct AddressHash {
        std::size_t operator()(const Address& address) const;
    };

    // A run of data packets of one connection, not yet written to its socket.
    struct Batch {
        std::optional<Place> place;
        std::vector<iovec> parts;
        std::size_t size = 0;
    };

    // Packets from the guest.
    void drain_transmit();
    [[nodiscard]] Result<bool> transmit_one(Queue& queue);
    [[nodiscard]] Result<> take_packet(const Chain& chain);
    void handle_stranger(const Header& header);
    void handle_packet(Place place, const Header& header, const Chain& chain);
    void handle_payload(Place place, const Header& header, const Chain& chain);
    void handle_request(const Header& header);
    void handle_response(Place place);
    void refuse(const Header& header);
    void flush_batch();

    // Packets to the guest.
    void pump_receive();
    [[nodiscard]] Result<bool> serve(Queue& queue);
    [[nodiscard]] Result<bool> serve_reply(Queue& queue);
    [[nodiscard]] Result<bool> serve_owed(Queue& queue, Place place);
    [[nodiscard]] Result<bool> serve_data(Queue& queue, Place place);
    [[nodiscard]] Result<std::size_t> gather(Queue& queue, std::size_t limit, std::size_t most);
    [[nodiscard]] Result<bool> pop_receive(Queue& queue, Chain& chain);
    void put_packet(Queue& queue, const Chain& chain, const Header& header);

    // Sockets and the connections' lives.
    void host_event(Place place, std::uint32_t events);
    // alive tells whether a connection of before a reset is still there.
    [[nodiscard]] bool alive(const Connection* connection) const;
    [[nodiscard]] Place add_connection(const Address& address, State state);
    [[nodiscard]] bool watch(Place place);
    void update(Place place);
    void schedule(Place place);
    void unschedule(Place place);
    void reset_connection(Place place);
    void forget(Place place);
    void erase(Place place);
    void start_countdown(Place place, std::uint32_t ticks);
    void tick();
    // fail stops the device for the guest's fault, and ends all streams.
    void fail(const Error& reason);

    EventLoop& loop_;
    VsockHost& host_;
    const std::uint64_t guest_cid_;
    const Timeouts timeouts_;
    std::array<std::uint8_t, 8> config_{};
    Transport* transport_ = nullptr;

    // Every connection is in one of the two lists; those in ready_ have something to do and take
    // turns. Those that are lingering are not in the table.
    Connections idle_;
    Connections ready_;
    std::unordered_map<Address, Place, AddressHash> table_;
    std::unordered_map<std::uint64_t, Place> requests_;
    std::uint64_t next_request_ = 1;
    std::uint32_t next_host_port_;
    std::uint64_t promised_ = 0;
    EventLoop::TimerId timer_ = 0;
    // resets counts how often every connection was forgotten at once.
    std::uint64_t resets_ = 0;

    // RSTs to packets that belong to no connection. When it is full no packet is taken from the
    // guest until it takes one.
    std::vector<Header> replies_;
    bool transmit_held_ = false;

    // Storage that is used again and again.
    Chain transmit_chain_;
    std::vector<Chain> receive_chains_;
    std::vector<iovec> receive_parts_;
    Batch batch_;
};

}  // namespace casemate::virtio::vsock
