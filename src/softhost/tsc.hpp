// The rate of this machine's time stamp counter. An emulated machine's counter runs at the same
// rate, but its kernel can't measure it reliably, so it has to be told (tsc_early_khz).
#pragma once

#include <cstdint>

#include "base/result.hpp"

namespace casemate::softhost {

// tsc_khz gives the rate in kHz: as the kernel, the hypervisor or the processor states it, else
// measured for some milliseconds. SofthostErrc::missing when no number makes sense.
[[nodiscard]] Result<std::uint64_t> tsc_khz();

// measure_tsc_khz measures it against CLOCK_MONOTONIC_RAW.
[[nodiscard]] std::uint64_t measure_tsc_khz();

}  // namespace casemate::softhost
