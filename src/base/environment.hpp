// The environment of this process.
#pragma once

#include <string>

namespace casemate {

// environment is the value of a variable; empty where there is none. Not while another thread
// changes the environment.
[[nodiscard]] std::string environment(const char* name);

}  // namespace casemate
