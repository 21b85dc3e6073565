// For tests: a command line run in this process, with what it printed.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "cli/main.hpp"

namespace casemate::cli {

struct Ran {
    int status = -1;
    std::string out;
    std::string err;
};

inline Ran run_for_test(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "casemate");
    std::ostringstream out;
    std::ostringstream err;
    Ran ran;
    ran.status = run(arguments, out, err);
    ran.out = out.str();
    ran.err = err.str();
    return ran;
}

}  // namespace casemate::cli
