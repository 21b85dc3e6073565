// The two ramdisks of an enclave image (formats.md 3.3), as uncompressed newc archives. The same
// image gives the same bytes, whenever and wherever, and however it was packed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "image/image.hpp"

namespace casemate::image {

// RamdiskSink takes the next bytes of a ramdisk, mostly 1 MiB at a time. They are only valid during
// the call. Its error ends the writing and is what the caller gets.
using RamdiskSink = std::function<Result<>(ByteView)>;

// BootRamdisk: paths of what goes into ramdisk 0.
struct BootRamdisk {
    std::string init;
    // nsm_module: nsm.ko, or empty for none.
    std::string nsm_module;
};

// write_boot_ramdisk writes ramdisk 0: directory dev, files init and nsm.ko, all 0755 of 0:0.
// Errors: Errno for files that can't be read, codec::CpioErrc, the sink's.
[[nodiscard]] Result<> write_boot_ramdisk(const BootRamdisk& files, const RamdiskSink& sink);

// write_image_ramdisk writes ramdisk 1, its entries in bytewise order, owners and permissions as in
// the image, times 0. All but rootfs are 0644 of 0:0:
//
//   argv         the arguments (ENTRYPOINT, then CMD), each ended by NUL
//   cmd          the same, each ended by a line feed
//   env          the environment (NAME=VALUE), each variable ended by a line feed
//   environment  the same, each ended by NUL
//   rootfs/      the tree; dev, proc, run, sys, tmp and var are added (0755) where missing; rootfs
//                itself is 0755 of 0:0, as the sources differ in whether they know its mode
//   user         the image's user and a line feed, or nothing
//   workdir      the image's working directory and a line feed, or nothing
//
// AWS's init reads cmd and env, in which a line feed within an argument or a variable can't be told
// from its end; Casemate's reads argv and environment instead, and the others.
//
// progress (may be empty) counts bytes of content. Memory does not grow with the image's contents.
// Errors: Errno and ImageErrc changed or truncated for contents that can't be read as they were,
// naming the file; codec::CpioErrc; the sink's.
[[nodiscard]] Result<> write_image_ramdisk(const Image& image, const RamdiskSink& sink,
                                           const Progress& progress = {});

}  // namespace casemate::image
