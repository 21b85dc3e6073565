// PanicScanner finds the line in which a Linux guest says that it has panicked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace casemate::vmm {

class PanicScanner {
public:
    // take looks at one more byte of the console. It gives the message, from "Kernel panic" to the
    // end of its line, at most 256 printable characters, once in the scanner's life.
    [[nodiscard]] std::optional<std::string> take(std::uint8_t byte);

private:
    std::string line_;
    bool found_ = false;
};

}  // namespace casemate::vmm
