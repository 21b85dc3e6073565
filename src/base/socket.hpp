// Unix sockets: listening, connecting, and packets that carry descriptors (SCM_RIGHTS).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate {

// The most descriptors one packet of the project carries.
inline constexpr std::size_t kMaxPacketFds = 8;

// Packet: one message of a SOCK_SEQPACKET socket and the descriptors that came with it.
struct Packet {
    Bytes bytes;
    std::vector<UniqueFd> fds;
    // end_of_stream: the peer has closed; bytes and fds are empty.
    bool end_of_stream = false;
};

// send_packet sends one message whole. The descriptors stay the caller's. Errno EAGAIN when the
// socket does not block and is full; EPIPE when the peer has closed (no signal is raised).
[[nodiscard]] Result<> send_packet(int socket, ByteView bytes, std::span<const int> fds = {});

// receive_packet receives one message of at most max_size bytes; a longer one, or one with more
// than kMaxPacketFds descriptors, is Errno EMSGSIZE. EAGAIN as for send_packet. What a peer sent is
// received even when it has closed without reading everything.
[[nodiscard]] Result<Packet> receive_packet(int socket, std::size_t max_size);

// listen_unix binds path with the given mode and listens; type is SOCK_STREAM or SOCK_SEQPACKET,
// or-ed with SOCK_NONBLOCK. A path longer than sockaddr_un holds is bound through /proc/self/fd.
[[nodiscard]] Result<UniqueFd> listen_unix(const std::string& path, int type, unsigned mode = 0600);

// connect_unix connects a blocking socket of that type, then sets SOCK_NONBLOCK if asked.
[[nodiscard]] Result<UniqueFd> connect_unix(const std::string& path, int type);

// try_connect_unix connects a socket of a type with SOCK_NONBLOCK or fails at once: Errno EAGAIN
// when the listener's queue is full.
[[nodiscard]] Result<UniqueFd> try_connect_unix(const std::string& path, int type);

}  // namespace casemate
