// The program: a command line in, an exit status out.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "kms/cli/places.hpp"

namespace casemate::kms::cli {

// run parses and runs a command line (arguments[0] is the program's name) and gives the exit
// status.
[[nodiscard]] int run(const std::vector<std::string>& arguments, const Places& places,
                      std::ostream& out, std::ostream& err);

}  // namespace casemate::kms::cli
