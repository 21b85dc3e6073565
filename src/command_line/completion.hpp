// Shell completion: scripts made from a Command, so that they know what the program knows.
#pragma once

#include <string>
#include <vector>

#include "command_line/command.hpp"

namespace casemate::command_line {

// bash_completion gives a script for bash 4 and later, to be sourced; it needs nothing else. names:
// what the program is called, one or more. Enclaves' names and ids come from the program itself,
// asked with describe-enclaves and ps.
[[nodiscard]] std::string bash_completion(const Command& root,
                                          const std::vector<std::string>& names);

// zsh_completion gives a script for zsh, to be sourced after compinit or put into a directory of
// fpath as _NAME.
[[nodiscard]] std::string zsh_completion(const Command& root,
                                         const std::vector<std::string>& names);

}  // namespace casemate::command_line
