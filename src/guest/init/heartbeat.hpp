// The first thing that an enclave tells its parent: that it lives (formats.md 3.1).
#pragma once

#include "base/result.hpp"
#include "guest/init/outside.hpp"

namespace casemate::guest {

// send_heartbeat exchanges the byte 0xB7 with the parent. GuestErrc::heartbeat when nobody accepts,
// or answers something else, or nothing for a minute.
[[nodiscard]] Result<> send_heartbeat(Connect connect);

}  // namespace casemate::guest
