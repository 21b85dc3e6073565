// Errors that the operating system gave.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace casemate {

// Errno: an errno value as a room's error code.
enum class Errno : int {};

[[nodiscard]] std::string_view describe(Errno code);

// os_error makes an Error of an errno value; what says what was being done, to what:
// os_error("open /dev/kvm") → "Permission denied: open /dev/kvm".
[[nodiscard]] Error os_error(std::string_view what, int error_number = errno);

}  // namespace casemate
