// KernelImage: which bytes of a kernel file go where in guest memory, and how it is entered. Pure:
// it reads the head of the file and moves nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "machine/errors.hpp"
#include "machine/layout.hpp"

namespace casemate::machine {

// How much of the file's beginning parse_kernel wants to see, in bytes.
inline constexpr std::size_t kKernelHeadSize = 65536;

struct KernelImage {
    // Segment: file_size bytes of the file at file_offset go to guest-physical address; the kernel
    // uses memory_size bytes there (never less than file_size) and expects the rest zero. The
    // address of a segment need not be page-aligned.
    struct Segment {
        std::uint64_t file_offset = 0;
        std::uint64_t file_size = 0;
        std::uint64_t address = 0;
        std::uint64_t memory_size = 0;

        bool operator==(const Segment&) const = default;
    };
    // segments are in ascending order of address, don't overlap, and begin at kLoadStart or above.
    std::vector<Segment> segments;
    // entry and setup_header go into BootImage as they are.
    std::uint64_t entry = 0;
    Bytes setup_header;
    // command_line_limit is the longest command line the kernel takes, without its NUL.
    std::uint64_t command_line_limit = 2047;
    // initrd_limit is the end of where the kernel finds ramdisks.
    std::uint64_t initrd_limit = kMaxMemory;

    bool operator==(const KernelImage&) const = default;
};

// parse_kernel reads a bzImage by the 64-bit boot protocol (Linux
// Documentation/arch/x86/boot.rst) or an ELF64 vmlinux. head is the first kKernelHeadSize bytes of
// the file, or all of it when it is shorter; file_size the whole file's. MachineErrc::bad_kernel
// for anything else.
[[nodiscard]] Result<KernelImage> parse_kernel(ByteView head, std::uint64_t file_size);

// place_initrd chooses a page-aligned address for that many bytes of ramdisk: the highest one below
// the device hole that the kernel can reach and does not use itself, or else above the hole.
// MachineErrc::too_large when the segments or the ramdisk do not fit into memory_bytes of RAM.
[[nodiscard]] Result<GuestRange> place_initrd(const KernelImage& kernel, std::uint64_t initrd_size,
                                              std::uint64_t memory_bytes);

}  // namespace casemate::machine
