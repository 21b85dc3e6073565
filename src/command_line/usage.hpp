// The grammar of command lines, its errors and its help, as clap 4.5 has them: nitro-cli is made
// with it, and scripts and people see its exit statuses and sentences.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "command_line/command.hpp"

namespace casemate::command_line {

// End: there is nothing to run. Help and version go to standard output with status 0, usage errors
// and the help of a command line without a command to standard error with status 2.
struct End {
    int status = 0;
    std::string standard_output;
    std::string standard_error;
};

// Given: an option that was given (Command::options' index) with all of its values; flags have
// none.
struct Given {
    std::size_t option = 0;
    std::vector<std::string> values;
};

// Accepted: a command line that keeps every rule of its Command.
struct Accepted {
    // path: which of the commands, then which of that one's, and so on.
    std::vector<std::size_t> path;
    // given, in the order in which they first appeared.
    std::vector<Given> given;
};

// judge reads a command line without the program's name.
[[nodiscard]] std::variant<Accepted, End> judge(const Command& root,
                                                const std::vector<std::string>& arguments);

// invalid_value is the usage error of a value that judge could not know to be wrong.
[[nodiscard]] End invalid_value(const Option& option, std::string_view value,
                                std::string_view sentence);

// similar gives those candidates that a mistyped word could have meant, the likeliest last.
[[nodiscard]] std::vector<std::string> similar(std::string_view word,
                                               const std::vector<std::string>& candidates);

}  // namespace casemate::command_line
