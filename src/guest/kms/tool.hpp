// kmstool_enclave_cli: KMS from a shell inside the enclave, with the options, the output and the
// exit statuses of AWS's program of that name (aws-nitro-enclaves-sdk-c, bin/kmstool-enclave-cli).
#pragma once

#include <cstdio>
#include <functional>
#include <span>
#include <string_view>

#include "guest/kms/recipient.hpp"

namespace casemate::kms_client {

enum ToolStatus : int {
    kToolDone = 0,
    // The arguments make no sense, or help was asked for.
    kToolMisused = 1,
    // KMS refused, or could not be asked.
    kToolFailed = 255,
};

// ToolWorld: all that the program sees beside its arguments.
struct ToolWorld {
    std::FILE* in = nullptr;
    std::FILE* out = nullptr;
    std::FILE* err = nullptr;
    // variable gives one of the environment; nullptr where there is none.
    std::function<const char*(const char* name)> variable;
    Attest attest;
};

// run_tool does what the arguments (without the program's name) say, writes results to out and
// sentences to err.
[[nodiscard]] ToolStatus run_tool(std::span<const std::string_view> arguments,
                                  const ToolWorld& world);

}  // namespace casemate::kms_client
