// What the verbs about running enclaves share.
#pragma once

#include <functional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/json_output.hpp"
#include "cli/output.hpp"
#include "enclave/paths.hpp"
#include "enclave/record.hpp"

namespace casemate::cli {

// code_of gives the code that an error of the enclave room stands for, else fallback.
[[nodiscard]] ErrorCode code_of(const Error& error, ErrorCode fallback);

// identity_json has what run-enclave prints: from EnclaveName to MemoryMiB (nitro-cli.md 2.1).
[[nodiscard]] Json identity_json(const enclave::EnclaveRecord& record);
// description_json adds State, Flags, Measurements (nitro-cli.md 2.5), if asked for the
// image's metadata, and in debug mode AttestedMeasurements: what documents will carry.
[[nodiscard]] Json description_json(const enclave::EnclaveRecord& record, bool metadata);
// history_json is one entry of `ps --output json`.
[[nodiscard]] Json history_json(const enclave::EnclaveRecord& record);

// selected gives the id of the living enclave that is meant. Errors: EnclaveErrc::naming.
[[nodiscard]] Result<std::string> selected(const enclave::Paths& paths,
                                           const EnclaveSelector& selector);

// failed_connections tells of supervisors that did not answer, as nitro-cli does: the count on
// standard error, then E39. The exit status comes back.
[[nodiscard]] int failed_connections(std::size_t count, std::string_view sentence, Output& output);

// follow_console copies an enclave's console to standard output until its end or for so many
// seconds. The exit status comes back.
[[nodiscard]] int follow_console(const enclave::Paths& paths, const std::string& id,
                                 std::optional<std::uint64_t> seconds, Output& output);

// pump joins standard input and output to a connected stream until both directions have ended, or
// the stream's peer has; an end of standard input closes that half alone. Errno.
[[nodiscard]] Result<> pump(int socket);

}  // namespace casemate::cli
