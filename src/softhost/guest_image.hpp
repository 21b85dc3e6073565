// The measured image's way into the software host: casemate-nsm has written it into a guest memory
// file outside, QEMU shows that file as a read-only disk, and it is read into the guest memory file
// inside, at the same offsets.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "machine/layout.hpp"

namespace casemate::softhost {

// read_guest_image makes a memory file of memory_bytes and reads the given guest-physical ranges
// (page-aligned) of it from the disk, past the page cache. The rest is zero.
// Errors: SofthostErrc::missing for a range outside of the memory, Errno for input and output.
[[nodiscard]] Result<UniqueFd> read_guest_image(const std::string& disk, std::uint64_t memory_bytes,
                                                std::span<const machine::GuestRange> loaded);

}  // namespace casemate::softhost
