// The command line of nsm-cli. Pure.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace casemate::nsm_cli {

enum class CliErrc : std::uint8_t { misused, refused, no_module };

[[nodiscard]] std::string_view describe(CliErrc code);

// Option: what a command knows, by its name without "--".
struct Option {
    std::string_view name;
    bool takes_value = false;
};

// Arguments: what was given to a command.
struct Arguments {
    std::vector<std::string_view> words;
    std::map<std::string_view, std::string_view> options;

    [[nodiscard]] bool has(std::string_view name) const { return options.contains(name); }
    [[nodiscard]] std::optional<std::string_view> value(std::string_view name) const;
};

// parse_arguments takes --NAME, --NAME VALUE and --NAME=VALUE of the known options, each once, and
// words, of which at most `words` may come; all after "--" are words. CliErrc::misused.
[[nodiscard]] Result<Arguments> parse_arguments(std::span<const std::string_view> given,
                                                std::span<const Option> known, std::size_t words);

}  // namespace casemate::nsm_cli
