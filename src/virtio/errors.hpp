// Why a virtio device stops: each is a lie of the guest's about its rings or buffers. The device
// then asks to be reset (DEVICE_NEEDS_RESET) and touches guest memory no more until it has been.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace casemate::virtio {

enum class VirtioErrc {
    // A ring that is misaligned or outside of RAM (virtio 1.2, 2.7).
    bad_ring_address,
    // A queue size that is no power of two or above the device's maximum.
    bad_ring_size,
    // An available index further ahead than the queue has entries.
    bad_available_index,
    // A descriptor number outside of the table, or a buffer outside of RAM.
    bad_descriptor,
    // A chain with more descriptors than the table has, so one that loops, or of 4 GiB and more.
    endless_chain,
    // An indirect table, which is never offered.
    indirect_descriptor,
    // A buffer to be read where one to be written is due, or the other way around.
    wrong_direction,
    // A buffer too short for what the device must put there.
    short_buffer,
};

[[nodiscard]] std::string_view describe(VirtioErrc code);

}  // namespace casemate::virtio
