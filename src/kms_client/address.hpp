// Where KMS is reached: through the enclave's vsock, or, for programs outside, by other sockets.
// Names are never looked up: an enclave has nobody to ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "kms_client/error.hpp"

namespace casemate::kms_client {

// kParentCid is whom an enclave calls (formats.md 3.6); kProxyPort is where AWS's proxy listens.
inline constexpr std::uint32_t kParentCid = 3;
inline constexpr std::uint32_t kProxyPort = 8000;

struct Address {
    enum class Kind : std::uint8_t { vsock, unix_socket, tcp };
    Kind kind = Kind::vsock;
    std::uint32_t cid = kParentCid;
    // port of vsock or TCP.
    std::uint32_t port = kProxyPort;
    // host: the path of a unix socket, or an address of TCP, "127.0.0.1" or "::1".
    std::string host;

    bool operator==(const Address&) const = default;
};

// parse_address reads "vsock:CID:PORT", "unix:PATH", "tcp:IPV4:PORT" or "tcp:[IPV6]:PORT". Errors:
// bad_argument.
[[nodiscard]] Result<Address> parse_address(std::string_view text);
// text_of writes what parse_address reads.
[[nodiscard]] std::string text_of(const Address& address);

using Deadline = std::chrono::steady_clock::time_point;

// connect_to gives a connected, blocking stream socket. Errors: not_connected, timed_out,
// bad_argument for a unix socket's path that is too long.
[[nodiscard]] Result<UniqueFd> connect_to(const Address& address, Deadline deadline);

}  // namespace casemate::kms_client
