// The program: a command line in, an exit status out.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/arguments.hpp"
#include "cli/output.hpp"

namespace casemate::cli {

// run parses and runs a command line (arguments[0] is the program's name) and gives the exit
// status.
[[nodiscard]] int run(const std::vector<std::string>& arguments, std::ostream& out,
                      std::ostream& err);

// dispatch runs one verb.
[[nodiscard]] int dispatch(const Invocation& invocation, Output& output);

}  // namespace casemate::cli
