// The configuration file: YAML whose keys are the names of options.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace casemate::kms::cli {

enum class ConfigurationErrc : std::uint8_t {
    // No YAML, no map of options, or a value of another form.
    bad_file,
    unreadable,
};
[[nodiscard]] std::string_view describe(ConfigurationErrc code);

// Setting: an option of the file with its values, as text.
struct Setting {
    std::string name;
    std::vector<std::string> values;
    // line counts from 1.
    std::size_t line = 0;
};

// read_configuration reads a file of at most 1 MiB: a map from names to a scalar or a list of
// scalars, each name once. Errors: ConfigurationErrc, with the line.
[[nodiscard]] Result<std::vector<Setting>> read_configuration(const std::string& file);

}  // namespace casemate::kms::cli
