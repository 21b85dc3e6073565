// Waiting for a socket.
#pragma once

#include <chrono>

#include "base/result.hpp"
#include "http/error.hpp"

namespace casemate::http {

// wait_for waits until the socket is ready for one of poll's events, or broken. Errors: HttpErrc
// timed_out, connection_lost.
[[nodiscard]] Result<> wait_for(int socket, short events,
                                std::chrono::steady_clock::time_point deadline);

}  // namespace casemate::http
