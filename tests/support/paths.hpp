// Where the tests find the source tree and what was built from it.
#pragma once

#include <string>

namespace casemate::test {

// source_dir is the top of the source tree; binary_dir that of the build (programs are in its bin).
[[nodiscard]] std::string source_dir();
[[nodiscard]] std::string binary_dir();

}  // namespace casemate::test
