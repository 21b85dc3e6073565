// The control protocol between the supervisor and the VMM: packets on one SOCK_SEQPACKET socket,
// some with file descriptors. In the software host a relay carries the same packets through a
// serial port, so neither side knows the difference.
//
// All integers little-endian; the first byte is the kind. A packet that does not parse ends the
// connection, and with it the enclave.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "machine/boot_image.hpp"

namespace casemate::machine {

// The longest control packet, in bytes.
inline constexpr std::size_t kMaxControlPacket = 32768;

// --- supervisor to VMM ---

// Start makes and runs the machine. Descriptors, in this order: guest memory file, NSM request
// socket (SOCK_SEQPACKET: one request packet, one response packet), console (written to by the VMM,
// whether the console may be read or not is decided by the supervisor), /dev/kvm. A supervisor
// that talks to a relay leaves /dev/kvm out; the far side opens its own.
struct Start {
    std::uint64_t memory_bytes = 0;
    std::uint32_t vcpu_count = 0;
    // host CPUs to pin each vCPU to; empty: not pinned.
    std::vector<std::uint32_t> pinned_cpus;
    std::uint32_t guest_cid = 0;
    // console: false in production mode, and then no console byte leaves the VMM.
    bool console = false;
    BootImage image;

    bool operator==(const Start&) const = default;
};

// OpenStream: a parent program wants the guest's vsock port. Descriptor: its stream socket. The VMM
// answers on that socket: "OK <source port>\n" once the guest has accepted, or closes it.
struct OpenStream {
    std::uint32_t guest_port = 0;

    bool operator==(const OpenStream&) const = default;
};

// ConnectReply answers a ConnectRequest. Descriptor, only when accepted: the connected stream
// socket.
struct ConnectReply {
    std::uint64_t request_id = 0;
    bool accepted = false;

    bool operator==(const ConnectReply&) const = default;
};

// Stop ends the machine at once; the VMM answers Exited and ends.
struct Stop {
    bool operator==(const Stop&) const = default;
};

using SupervisorMessage = std::variant<Start, OpenStream, ConnectReply, Stop>;

// --- VMM to supervisor ---

// Started: the vCPUs run.
struct Started {
    bool operator==(const Started&) const = default;
};

// ConnectRequest: the guest connects to a port of the parent (CID 2 or 3) or the hypervisor (CID
// 0). Connections to any other CID are refused by the VMM itself.
struct ConnectRequest {
    std::uint64_t request_id = 0;
    std::uint32_t destination_cid = 0;
    std::uint32_t destination_port = 0;
    std::uint32_t source_port = 0;

    bool operator==(const ConnectRequest&) const = default;
};

// GuestPanicked: the guest kernel said on its console that it panicked. The line is what it said,
// of at most 256 printable characters. Told once, in production mode too.
struct GuestPanicked {
    std::string line;

    bool operator==(const GuestPanicked&) const = default;
};

enum class ExitReason : std::uint8_t {
    // The guest reset itself through the keyboard controller: how an enclave ends.
    guest_reset = 1,
    // The guest shut down by a triple fault.
    guest_shutdown = 2,
    // The supervisor asked for it.
    stopped = 3,
    // KVM could not run a vCPU, or something else failed; the detail says what.
    failed = 4,
    // Making the machine failed at this step, before the guest ran (step.hpp): the virtual machine
    // itself, its memory, the image's boot data, a vCPU, the start.
    not_created = 5,
    no_memory = 6,
    not_loaded = 7,
    no_vcpu = 8,
    not_started = 9,
};

// Exited is the VMM's last packet. detail is a sentence for people, at most 8,192 bytes (a dead
// vCPU's registers go there).
struct Exited {
    ExitReason reason = ExitReason::failed;
    std::string detail;

    bool operator==(const Exited&) const = default;
};

using VmmMessage = std::variant<Started, ConnectRequest, GuestPanicked, Exited>;

[[nodiscard]] Bytes encode(const SupervisorMessage& message);
[[nodiscard]] Bytes encode(const VmmMessage& message);
[[nodiscard]] Result<SupervisorMessage> decode_supervisor_message(ByteView packet);
[[nodiscard]] Result<VmmMessage> decode_vmm_message(ByteView packet);

}  // namespace casemate::machine
