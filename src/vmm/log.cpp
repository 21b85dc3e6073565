#include "vmm/log.hpp"

#include <unistd.h>

#include <string>

namespace casemate::vmm {

void log(std::string_view line) {
    // One write, so that the lines of several threads don't mix.
    const std::string text = "casemate-vmm: " + std::string(line) + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace casemate::vmm
