// CLI11 as the way to define a command line and to put its values into variables. The parsing
// itself is judge's, by clap's rules.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/command.hpp"
#include "command_line/usage.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace casemate::command_line {

// expects says what an option's value is; value_name, what usage lines call it (none: the option's
// name). The option comes back.
CLI::Option* expects(CLI::Option* option, Expects expects, std::string_view value_name = {});

// Unless: the option has to be given, unless one of the others is; or, with needs, those that the
// option needs have to be.
struct Unless {
    const CLI::Option* option = nullptr;
    std::vector<const CLI::Option*> others;
    bool needs = false;
};

// describe gives a CLI11 application as data, subcommands included. Of CLI11's rules these count:
// names, required, needs, excludes, expected (more than one value: many), allow_extra_args(false)
// on a list (repeatable), CLI::IsMember (the possible values), option groups (their options only).
[[nodiscard]] Command describe(const CLI::App& app, const std::vector<Unless>& unless = {});

// Chosen: a subcommand, and its description.
struct Chosen {
    CLI::App* app = nullptr;
    const Command* command = nullptr;
};

// choose follows Accepted::path from an application and its description.
[[nodiscard]] Chosen choose(CLI::App& app, const Command& command,
                            const std::vector<std::size_t>& path);

// apply puts values where CLI11 was told to: app is the subcommand that was chosen, command its
// description. The usage error of a value that a check refuses, or that can't be converted, comes
// back. app can be applied once.
[[nodiscard]] std::optional<End> apply(CLI::App& app, const Command& command,
                                       const std::vector<Given>& given);

}  // namespace casemate::command_line
