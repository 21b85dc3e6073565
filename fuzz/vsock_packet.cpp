// Two properties. A header that is decoded and encoded again is the same 44 bytes. And a device
// whose guest sends any packets, while programs of the host do what programs do, never stops for a
// fault, never gives the guest more than it has credit for, and holds nothing when it is reset.
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>

#include "virtio/testing/vsock_guest.hpp"

namespace {

using namespace casemate;
using virtio::testing::GuestPacket;
using virtio::testing::kGuestCid;
using virtio::testing::must;
using virtio::testing::VsockGuest;
using namespace virtio::vsock;

constexpr std::size_t kMaxSockets = 16;

void check(bool holds) {
    if (!holds) {
        std::abort();
    }
}

Header check_round_trip(ByteView bytes) {
    std::array<std::uint8_t, kHeaderSize> again{};
    const Header header = decode_header(bytes.first<kHeaderSize>());
    encode_header(header, again);
    check(std::equal(again.begin(), again.end(), bytes.begin()));
    check(decode_header(again) == header);
    return header;
}

// Session is one life of the guest's driver.
class Session {
public:
    Session(VsockGuest& guest, ByteReader input) : guest_(guest), input_(input) {
        guest_.bring_up();
        static_cast<void>(guest_.collect());
        guest_.host.requests.clear();
    }

    void run() {
        std::uint8_t command = 0;
        for (int steps = 0; steps < 64 && input_.read_u8(command); ++steps) {
            act(command);
            guest_.run();
            collect();
            check(guest_.failures.empty() && !guest_.driver.needs_reset());
        }
        guest_.driver.set(virtio::Register::status, 0);
        guest_.run();
        for (UniqueFd& socket : sockets_) {
            drain(socket.get());
        }
        guest_.run();
        for (UniqueFd& socket : sockets_) {
            check(drain(socket.get()));
        }
        guest_.run();
        check(guest_.device.connection_count() == 0);
    }

private:
    // drain reads what is there; true at the stream's end.
    static bool drain(int fd) {
        static Bytes scratch(1U << 19U);
        for (;;) {
            const ssize_t got = ::recv(fd, scratch.data(), scratch.size(), MSG_DONTWAIT);
            if (got == 0 || (got < 0 && errno == ECONNRESET)) {
                return true;
            }
            if (got < 0) {
                return false;
            }
        }
    }

    void act(std::uint8_t command) {
        const auto which = static_cast<std::uint32_t>(command / 8U % kMaxSockets);
        switch (command % 8) {
            case 0:
                answer(true);
                return;
            case 1:
                answer(false);
                return;
            case 2:
                if (sockets_.size() < kMaxSockets) {
                    auto pair = must(make_socket_pair(SOCK_STREAM));
                    sockets_.push_back(std::move(pair.second));
                    guest_.device.open_stream(which, std::move(pair.first));
                }
                return;
            case 3:
                if (which < sockets_.size()) {
                    static const Bytes kBytes(5000, 'h');
                    static_cast<void>(::send(sockets_[which].get(), kBytes.data(), kBytes.size(),
                                             MSG_DONTWAIT | MSG_NOSIGNAL));
                }
                return;
            case 4:
                if (which < sockets_.size()) {
                    static_cast<void>(
                        ::shutdown(sockets_[which].get(), command >= 128 ? SHUT_RDWR : SHUT_WR));
                }
                return;
            case 5:
                if (which < sockets_.size()) {
                    drain(sockets_[which].get());
                }
                return;
            default:
                send_packet(command);
                return;
        }
    }

    void answer(bool accept) {
        if (guest_.host.requests.empty() || sockets_.size() >= kMaxSockets) {
            return;
        }
        const std::uint64_t id = guest_.host.requests.front().id;
        guest_.host.requests.pop_front();
        if (!accept) {
            guest_.device.connection_refused(id);
            return;
        }
        auto pair = must(make_socket_pair(SOCK_STREAM));
        sockets_.push_back(std::move(pair.second));
        guest_.device.connection_accepted(id, std::move(pair.first));
    }

    void send_packet(std::uint8_t command) {
        ByteView raw;
        std::uint16_t size = 0;
        if (!input_.read_bytes(kHeaderSize, raw) || !input_.read_le(size)) {
            return;
        }
        Header header = check_round_trip(raw);
        if (command < 192) {
            // Mostly sound ones, or nothing beyond the first check would be reached.
            header.source_cid = kGuestCid;
            header.destination_cid = header.destination_cid % 4;
            header.type = kTypeStream;
            header.length = size;
            header.source_port %= 4;
            if (header.destination_port < (1U << 30U)) {
                header.destination_port %= 4;
            }
            const auto operation = static_cast<std::uint16_t>(header.operation);
            header.operation = static_cast<Operation>(operation % 9);
        }
        if (header.source_cid == kGuestCid && header.type == kTypeStream) {
            Peer& peer = peers_[address(header.destination_cid, header.destination_port,
                                        header.source_port)];
            peer.claims.push_back(header.buffer_size);
        }
        static const Bytes kPayload(UINT16_MAX, 'g');
        guest_.put(header, ByteView(kPayload).first(size));
        guest_.kick();
    }

    void collect() {
        for (const GuestPacket& got : guest_.collect()) {
            const Header& header = got.header;
            check(header.length == got.payload.size());
            check(is_known(header.operation));
            check(header.operation == Operation::data || header.length == 0);
            if (header.operation == Operation::data) {
                check(header.source_cid == kHostCid || header.source_cid == kParentCid ||
                      header.source_cid == kHypervisorCid);
                check(header.destination_cid == kGuestCid);
                check(header.length > 0);
                // Each packet fits what the guest has claimed as its buffer at some time.
                const Peer& peer =
                    peers_[address(header.source_cid, header.source_port, header.destination_port)];
                check(std::any_of(peer.claims.begin(), peer.claims.end(),
                                  [&](std::uint32_t claim) { return header.length <= claim; }));
            }
        }
    }

    struct Peer {
        std::vector<std::uint32_t> claims;
    };
    using PeerAddress = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>;
    static PeerAddress address(std::uint64_t cid, std::uint32_t host_port,
                               std::uint32_t guest_port) {
        return {cid, host_port, guest_port};
    }

    VsockGuest& guest_;
    ByteReader input_;
    std::vector<UniqueFd> sockets_;
    std::map<PeerAddress, Peer> peers_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static VsockGuest guest;
    Session(guest, ByteReader(ByteView(data, size))).run();
    return 0;
}
