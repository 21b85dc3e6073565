// Numbers in sentences and reports.
#pragma once

#include <cstdint>
#include <string>

namespace casemate::machine {

// hex is "0x1f"; hex_padded has that many digits and no prefix.
[[nodiscard]] std::string hex(std::uint64_t value);
[[nodiscard]] std::string hex_padded(std::uint64_t value, unsigned digits);

}  // namespace casemate::machine
