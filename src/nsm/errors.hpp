// Errors of the security module.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::nsm {

enum class NsmErrc : std::uint8_t {
    // A control packet is not what the protocol says, or comes when none is expected.
    bad_message,
    // The file is an enclave image, but not one that can be started here.
    bad_image,
    // The image does not fit the guest's memory.
    memory_too_small,
    // A certificate is not for the key that waits for one, or has ended.
    bad_certificate,
};

[[nodiscard]] std::string_view describe(NsmErrc code);

}  // namespace casemate::nsm
