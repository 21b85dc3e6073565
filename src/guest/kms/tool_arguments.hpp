// The command line of kmstool_enclave_cli: AWS's of that name, and more. Pure.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kms_client/error.hpp"

namespace casemate::kms_client {

enum class Command : std::uint8_t {
    decrypt,
    genkey,
    genrandom,
    genkeypair,
    derive,
    encrypt,
    call,
};

// CommandText: what is said of a command.
struct CommandText {
    Command command;
    std::string_view name;
    std::string_view summary;
    // attempt: "Could not …", where it fails, as AWS's program says it.
    std::string_view attempt;
};
[[nodiscard]] std::span<const CommandText> commands();
[[nodiscard]] const CommandText* find_command(std::string_view name);

// Arguments: what was given to a command, by the options' names without "--".
struct Arguments {
    // asks_for_help: --help was among them, and nothing else has been looked at.
    bool asks_for_help = false;
    std::map<std::string_view, std::string_view> options;
    // Options that may come several times.
    std::vector<std::string_view> contexts;
    std::vector<std::string_view> grant_tokens;

    // value gives an option; nothing where it was not given.
    [[nodiscard]] std::optional<std::string_view> value(std::string_view name) const;
    [[nodiscard]] std::string text(std::string_view name) const;
};

// parse_arguments takes --NAME VALUE, --NAME=VALUE and -N VALUE. Where an option comes twice, the
// last one counts, and options of AWS's program that are another command's are passed over, both as
// there. Errors: bad_argument.
[[nodiscard]] Result<Arguments> parse_arguments(Command command,
                                                std::span<const std::string_view> given);

// list_commands and usage are what the program tells of itself.
[[nodiscard]] std::string list_commands();
[[nodiscard]] std::string usage(Command command);

}  // namespace casemate::kms_client
