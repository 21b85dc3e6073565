// The kernel's driver of the security module: one request, one response (formats.md 2.2).
#pragma once

#include "base/bytes.hpp"
#include "nsm.h"

namespace casemate::libnsm {

// The driver's limits in bytes.
inline constexpr std::size_t kMaxRequest = 0x1000;
inline constexpr std::size_t kMaxResponse = 0x3000;

// exchange sends the request to the module behind fd and waits for its response, which it puts into
// buffer; answer views it there. Errors: input_too_large where the driver says so, internal_error
// for any other failure of it.
[[nodiscard]] ErrorCode exchange(int fd, ByteView request, MutableBytes buffer, ByteView& answer);

}  // namespace casemate::libnsm
