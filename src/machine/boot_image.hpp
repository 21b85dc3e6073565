// BootImage: what the loader (casemate-nsm) has put into guest memory and how to start it. It goes
// from the loader through the supervisor to the VMM.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "machine/layout.hpp"

namespace casemate::machine {

struct BootImage {
    // entry is the guest-physical address of the first instruction, entered in 64-bit mode with RSI
    // pointing to the boot parameters (Linux Documentation/arch/x86/boot.rst, 64-bit boot
    // protocol). An ELF vmlinux is entered at its ELF entry in the same way.
    std::uint64_t entry = 0;
    // setup_header is the bzImage's setup header, from offset 0x1f1 to its end as its own length
    // field says; empty for an ELF kernel.
    Bytes setup_header;
    // initrd holds all ramdisks, concatenated.
    GuestRange initrd;
    // command_line is the EIF's own, without a terminating NUL; the VMM appends its devices.
    std::string command_line;
    // loaded lists every range that was written, each page-aligned at both ends, in ascending
    // order. The rest of guest memory is zero.
    std::vector<GuestRange> loaded;

    bool operator==(const BootImage&) const = default;
};

// The longest encoding of a BootImage, in bytes.
inline constexpr std::size_t kMaxBootImageSize = 16384;

void encode(const BootImage& image, ByteWriter& writer);
// decode_boot_image checks lengths alone; the VMM checks addresses against the guest's memory.
[[nodiscard]] Result<BootImage> decode_boot_image(ByteReader& reader);

}  // namespace casemate::machine
