// Calls that every jailed program of ours needs, by what needs them.
#pragma once

#include <vector>

#include "jail/profile.hpp"

namespace casemate::jail {

// What a forbidden call leads to. A sanitizer's runtime makes calls of its own, so in builds with
// one, which are for tests only, they are let through.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr Violation kViolation = Violation::log;
#else
inline constexpr Violation kViolation = Violation::kill_process;
#endif

// The heap, stacks and mapped files, none of it ever executable.
[[nodiscard]] std::vector<AllowedCall> memory_calls();
// Ending, by exit or by abort with a word in the log.
[[nodiscard]] std::vector<AllowedCall> ending_calls();
// The C and C++ libraries: memory_calls, locks, time, ending_calls.
[[nodiscard]] std::vector<AllowedCall> runtime_calls();
// Starting threads of this process, and nothing else that clone can make.
[[nodiscard]] std::vector<AllowedCall> thread_calls();
// Putting on a further filter.
[[nodiscard]] std::vector<AllowedCall> further_filter_calls();
// Reading and writing descriptors, and receiving more over unix sockets.
[[nodiscard]] std::vector<AllowedCall> descriptor_calls();
// Asking the size of a file. A filter can't see that no path is given, so it is not for programs
// that a guest or a client can have taken over.
[[nodiscard]] std::vector<AllowedCall> file_size_calls();
// What the C library tries first and can do without.
[[nodiscard]] std::vector<RefusedCall> library_attempts();

// join puts lists one after the other.
[[nodiscard]] std::vector<AllowedCall> join(std::vector<std::vector<AllowedCall>> lists);

}  // namespace casemate::jail
