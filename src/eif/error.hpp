// Errors of the eif room: why a file is not an enclave image that can be trusted to be read one
// way.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::eif {

enum class EifErrc : std::uint8_t {
    // The file does not begin with ".eif".
    not_an_image,
    // A version, flag or section type that this reader does not know.
    unsupported,
    // The file ends before something it announces.
    truncated,
    // Offsets and sizes of the header and of the sections contradict each other.
    bad_layout,
    // The wrong sections: too many, too few, or in the wrong order.
    bad_sections,
    // The signature section is not what formats.md 1.8 says.
    bad_signature,
    // The signature section can be read, but what it says does not hold: another image's signature,
    // another key's, a certificate outside of its time.
    signature_refused,
    // The metadata section is not what formats.md 1.5 says.
    bad_metadata,
    // The checksum of the file is not the one in its header.
    wrong_crc,
    // The builder or measurer was fed something out of turn or of the wrong size.
    misuse,
};

[[nodiscard]] std::string_view describe(EifErrc code);

}  // namespace casemate::eif
