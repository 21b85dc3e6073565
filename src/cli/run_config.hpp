// The JSON file of run-enclave --config (nitro-cli.md 2.1).
#pragma once

#include <string>
#include <variant>

#include "cli/arguments.hpp"
#include "cli/error_codes.hpp"

namespace casemate::cli {

// read_run_config gives what the file asks for. Unknown keys are ignored. Errors: E19 when it can't
// be read, E17 when it is not the JSON that is expected or has no eif_path or memory_mib, E01
// without and E02 with both of cpu_ids and cpu_count, E03 for a CID that no enclave can have
// and for what check_watch refuses.
[[nodiscard]] std::variant<RunEnclaveArguments, CommandError> read_run_config(
    const std::string& path);

// parse_run_config is the same for the file's text.
[[nodiscard]] std::variant<RunEnclaveArguments, CommandError> parse_run_config(
    std::string_view text);

}  // namespace casemate::cli
