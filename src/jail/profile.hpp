// Profile: what a jailed process may still do, as data with a reason for each line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace casemate::jail {

// kIntArgument is the mask for arguments that the kernel takes as 32-bit integers.
inline constexpr std::uint64_t kIntArgument = 0xffff'ffff;

// ArgumentRule: (argument & mask) must be one of the values. index is 0 to 5.
struct ArgumentRule {
    std::uint32_t index = 0;
    std::uint64_t mask = kIntArgument;
    std::vector<std::uint64_t> one_of;
};

// AllowedCall: a system call (SYS_… of x86-64) that is let through when every argument rule holds.
// A call may be listed more than once; one line that holds is enough.
struct AllowedCall {
    int number = 0;
    std::string_view reason;
    std::vector<ArgumentRule> arguments;
};

// RefusedCall: a system call answered with an error number instead of death, because the C library
// tries it and goes another way when it fails.
struct RefusedCall {
    int number = 0;
    int error_number = 0;
    std::string_view reason;
};

// Violation: what happens on any other system call. Programs use kill_process; tests that look for
// calls missing from a profile use the others.
enum class Violation : std::uint8_t {
    // the whole process dies by SIGSYS.
    kill_process,
    // the thread gets SIGSYS, whose si_syscall is the call.
    trap,
    // the call is let through and the kernel logs it.
    log,
};

struct Profile {
    std::string_view name;
    std::vector<AllowedCall> allowed;
    std::vector<RefusedCall> refused;
    Violation violation = Violation::kill_process;
    // kept_descriptors stay open; all others are closed.
    std::vector<int> kept_descriptors;
    // max_descriptors is RLIMIT_NOFILE (or the hard limit the process already has, if lower).
    std::uint64_t max_descriptors = 64;
    // max_file_size is RLIMIT_FSIZE, for a log that is a file; a longer write fails with EFBIG.
    std::uint64_t max_file_size = 16ULL << 20U;
    // makes_threads: false also sets RLIMIT_NPROC to 0.
    bool makes_threads = true;
};

// The VMM until its vCPUs run: it makes the machine (all of the KVM interface it uses, threads,
// event descriptors). Keeps descriptors 0 to 3 (3 is its control socket).
[[nodiscard]] Profile vmm_profile();
// The VMM from then on, for restrict_calls: it runs vCPUs and moves bytes; no new threads, no new
// machine.
[[nodiscard]] Profile vmm_running_profile();

// The security module until it has answered Load: reads the image, maps guest memory, threads.
// Keeps descriptors 0 to 3 (3 is its control socket).
[[nodiscard]] Profile nsm_profile();
// The security module from then on, for restrict_calls: requests, random numbers.
[[nodiscard]] Profile nsm_serving_profile();

}  // namespace casemate::jail
