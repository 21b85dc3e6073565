// A JSON object for people: a line for each value.
#pragma once

#include <string>

#include "cli/json_output.hpp"

namespace casemate::cli {

// json_table gives "NAME  value" lines, the values in one column. Names of values in objects are
// those of both, with a full stop between them; arrays stay JSON. What came out of a file can't
// steer a terminal: what is no printable ASCII of a text with control characters becomes \xNN.
[[nodiscard]] std::string json_table(const Json& object);

}  // namespace casemate::cli
