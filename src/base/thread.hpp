// Threads that can't be had are an error, not an exception.
#pragma once

#include <functional>
#include <string_view>
#include <thread>

#include "base/result.hpp"

namespace casemate {

// start_thread starts a thread that does work; who says, in the error, whose it would have been.
// Errors: Errno, where the operating system has no thread for this user.
[[nodiscard]] Result<std::thread> start_thread(std::string_view who, std::function<void()> work);

}  // namespace casemate
