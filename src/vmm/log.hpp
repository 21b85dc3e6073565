// The VMM's log: lines on standard error.
#pragma once

#include <string_view>

namespace casemate::vmm {

// log writes one line; a log that takes no more is not an error.
void log(std::string_view line);

}  // namespace casemate::vmm
