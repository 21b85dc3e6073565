// The MP configuration table (Intel MultiProcessor Specification 1.4, chapter 4): how a kernel
// without ACPI finds its processors and its interrupt controller.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace casemate::machine {

// mp_table makes the floating pointer structure and the table after it, for guest-physical address.
[[nodiscard]] Bytes mp_table(std::uint64_t address, std::uint32_t vcpu_count);

}  // namespace casemate::machine
