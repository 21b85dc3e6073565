// Where a process's secrets must not get: core dumps, other processes of the same user, swap.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace casemate::kms {

// protect_memory keeps this process's memory from core dumps and from others of its user, and locks
// all of it, now and later, into RAM. Called once, before there are secrets. Where the machine does
// not let it lock (no CAP_IPC_LOCK, and a limit on locked memory) the text says so, and secrets may
// reach the swap. Errors: Errno, when even dumps can't be forbidden.
[[nodiscard]] Result<std::optional<std::string>> protect_memory();

}  // namespace casemate::kms
