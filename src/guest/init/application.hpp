// The customer's app as a process: started as its image says, waited for, ended when asked.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/result.hpp"
#include "guest/init/accounts.hpp"
#include "guest/init/launch.hpp"
#include "guest/init/lifecycle.hpp"

namespace casemate::guest {

// start runs the app in a session of its own and returns its process once it executes.
// GuestErrc::bad_user when the image has no such account, bad_command when the command can't be
// executed (the sentence says where it was looked for), system for what the kernel refused.
[[nodiscard]] Result<pid_t> start(Launch launch);

// supervise reaps every process that ends until the app does, and returns the app's wait status. A
// shutdown request on the lifecycle stream sends SIGTERM to the app's process group and, when its
// seconds are over, SIGKILL to every process. The stream is told every alive_milliseconds that this
// process lives. All signals must be blocked.
[[nodiscard]] Result<int> supervise(pid_t app, Lifecycle& lifecycle, int alive_milliseconds);

}  // namespace casemate::guest
