// nsm-cli: the security module from a shell inside the enclave.
#pragma once

#include <cstdio>
#include <span>
#include <string_view>

namespace casemate::nsm_cli {

// What run returns, for scripts.
enum Status : int {
    kDone = 0,
    kFailed = 1,    // the module refused, or a file could not be read or written
    kMisused = 2,   // the arguments make no sense
    kNoModule = 3,  // /dev/nsm is missing or can't be opened
};

// run does what the arguments say (without the program's name), writes results to out and
// sentences to err.
[[nodiscard]] Status run(std::span<const std::string_view> arguments, std::FILE* out,
                         std::FILE* err);

}  // namespace casemate::nsm_cli
