// What lies outside the enclave, as the first process reaches it. A rehearsal on another machine
// puts something else in its place; nothing else of init knows how a connection is made.
#pragma once

#include <cstdint>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::guest {

// Address: an AF_VSOCK context id and port.
struct Address {
    std::uint32_t cid = 0;
    std::uint32_t port = 0;
};

inline constexpr Address kHeartbeat{3, 9000};
inline constexpr Address kLifecycle{0, 9001};

// Connect makes a stream to an address. With wait false it returns at once with a non-blocking
// descriptor whose connection may be pending: it polls writable when it is made or refused.
// The error is an Errno.
using Connect = Result<UniqueFd> (*)(Address address, bool wait);

// connect_vsock is the Connect of a real enclave.
[[nodiscard]] Result<UniqueFd> connect_vsock(Address address, bool wait);

// Platform: what a rehearsal exchanges.
struct Platform {
    Connect connect = connect_vsock;
    // The file system of /dev. devtmpfs is one and the same for a machine and all its containers.
    const char* devices = "devtmpfs";
    // How often the supervisor is told that the first process still gets its turn.
    int alive_milliseconds = 5000;
};

}  // namespace casemate::guest
