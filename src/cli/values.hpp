// Values of options, read from text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "cli/arguments.hpp"
#include "cli/error_codes.hpp"

namespace casemate::cli {

// Value: what an option says, or what to tell the user (E03).
template <class T>
using Value = std::variant<T, CommandError>;

// parse_number reads a decimal number of 0 to most; option is named in the error.
[[nodiscard]] Value<std::uint64_t> parse_number(std::string_view text, std::string_view option,
                                                std::uint64_t most);

// parse_memory reads a number with an optional unit M, G or T of either case, and gives MiB.
[[nodiscard]] Value<std::uint64_t> parse_memory(std::string_view text);

// parse_enclave_cid reads a CID that an enclave can have, or 0.
[[nodiscard]] Value<std::uint64_t> parse_enclave_cid(std::string_view text);

// check_enclave_cid is the same for a number: nothing when it is one.
[[nodiscard]] std::optional<CommandError> check_enclave_cid(std::uint64_t cid);

// parse_seconds reads 0 to 86400; option is named in the error.
[[nodiscard]] Value<std::uint64_t> parse_seconds(std::string_view text, std::string_view option);

// check_watch refuses what can't be meant (E03): a port 0, no time between two looks.
[[nodiscard]] std::optional<CommandError> check_watch(const WatchArguments& watch);

// parse_acceleration reads auto, kvm or software.
[[nodiscard]] Value<Acceleration> parse_acceleration(std::string_view text);

}  // namespace casemate::cli
