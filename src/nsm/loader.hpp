// The loader: it puts an enclave image into guest memory and measures it on the way.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "nsm/control.hpp"
#include "nsm/errors.hpp"

namespace casemate::nsm {

// load checks the image in the seekable file eif, copies its kernel and ramdisks into the memory
// file and measures it, in one pass: every byte is read from the file once, and what is hashed is
// the copy. So an image that somebody changes meanwhile is measured as what will run, or refused.
//
// The memory file has at least memory_bytes bytes, all zero, and nobody else writes to it; it is
// laid out as machine::memory_regions says. It is mapped only during the call. On an error some of
// it may have been written, and nothing may be started from it. No leaf key is in what it gives.
//
// A signed image's signature has to be that of its certificate's key over the PCR0 that was
// measured, and its certificate has to be valid at the time now: then, and only then, there is a
// register 8 in what it gives.
//
// Errors: those of eif::read_index, eif::verify_signature, eif::check_validity and
// machine::parse_kernel; NsmErrc bad_image for another
// architecture, a wrong CRC, or a command line the kernel does not take; memory_too_small, or
// MachineErrc::too_large, with what is needed and there; Errno for reading and mapping.
[[nodiscard]] Result<Loaded> load(int eif, int memory_file, std::uint64_t memory_bytes,
                                  crypto::Seconds now);

// refusal is what the supervisor is told about an error of load.
[[nodiscard]] Refused refusal(const Error& error);

}  // namespace casemate::nsm
