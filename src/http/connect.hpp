// Connecting to a host by name or address. (Unix sockets: base/socket.hpp.)
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "http/error.hpp"

namespace casemate::http {

// connect_host connects a TCP socket to a host: a name, or a numeric address without brackets. Each
// address that the name has is tried in the system's order, for timeout at most. Looking the name
// up keeps the system's own deadlines. Errors: HttpErrc cannot_connect, with what each address
// said.
[[nodiscard]] Result<UniqueFd> connect_host(const std::string& host, std::uint16_t port,
                                            std::chrono::milliseconds timeout);

// find_addresses gives a host's addresses as numbers, in the order in which to try them; at least
// one. Errors: HttpErrc cannot_connect.
[[nodiscard]] Result<std::vector<std::string>> find_addresses(const std::string& host);

}  // namespace casemate::http
