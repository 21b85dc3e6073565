// The vsock packet header (virtio 1.2, 5.10.6), to and from its 44 bytes. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace casemate::virtio::vsock {

inline constexpr std::size_t kHeaderSize = 44;
// The most payload bytes in one packet, in either direction (Linux VIRTIO_VSOCK_MAX_PKT_BUF_SIZE).
inline constexpr std::uint32_t kMaxPayload = 64 * 1024;

// Context identifiers with a meaning of their own (formats.md 3.6).
inline constexpr std::uint64_t kHypervisorCid = 0;
inline constexpr std::uint64_t kHostCid = 2;
inline constexpr std::uint64_t kParentCid = 3;

// is_host tells the CIDs that this device answers for from all others.
[[nodiscard]] constexpr bool is_host(std::uint64_t cid) {
    return cid == kHypervisorCid || cid == kHostCid || cid == kParentCid;
}

inline constexpr std::uint16_t kTypeStream = 1;

// Operation: any other value is a guest's invention.
enum class Operation : std::uint16_t {
    request = 1,
    response = 2,
    reset = 3,
    shutdown = 4,
    data = 5,
    credit_update = 6,
    credit_request = 7,
};

[[nodiscard]] constexpr bool is_known(Operation operation) {
    return operation >= Operation::request && operation <= Operation::credit_request;
}

// Flags of Operation::shutdown: what the sender of the packet will do no more.
inline constexpr std::uint32_t kShutdownReceive = 1;
inline constexpr std::uint32_t kShutdownSend = 2;
inline constexpr std::uint32_t kShutdownBoth = kShutdownReceive | kShutdownSend;

// Header: the fields as they are on the wire, none of them checked.
struct Header {
    std::uint64_t source_cid = 0;
    std::uint64_t destination_cid = 0;
    std::uint32_t source_port = 0;
    std::uint32_t destination_port = 0;
    // length of the payload in bytes.
    std::uint32_t length = 0;
    std::uint16_t type = kTypeStream;
    Operation operation{};
    std::uint32_t flags = 0;
    // The sender's receive buffer in bytes, and how many bytes of the stream have left it so far,
    // modulo 2^32 ("buf_alloc" and "fwd_cnt").
    std::uint32_t buffer_size = 0;
    std::uint32_t forwarded = 0;

    bool operator==(const Header&) const = default;
};

[[nodiscard]] Header decode_header(std::span<const std::uint8_t, kHeaderSize> bytes);
void encode_header(const Header& header, std::span<std::uint8_t, kHeaderSize> bytes);

}  // namespace casemate::virtio::vsock
