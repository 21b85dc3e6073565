// The two ramdisks as nitro-cli has them written by its patched linuxkit (formats.md 3.3), for
// images that AWS's init boots: the same image gives the same bytes, and so the same PCR1 and PCR2,
// as far as public sources tell. docs/nitro-cli-compatibility.md says how far that is.
#pragma once

#include "base/result.hpp"
#include "image/image.hpp"
#include "image/ramdisk.hpp"

namespace casemate::image {

// kLinuxkitTime: the time linuxkit gives what it makes itself, 2017-04-18 16:30 UTC.
inline constexpr std::uint32_t kLinuxkitTime = 1'492'533'000;

// set_container_files changes an image's tree to what `docker export` and linuxkit make of it:
// dev/pts, dev/shm, etc, proc and sys are there; .dockerenv, Dockerfile, dev/console and
// etc/hostname are not; etc/hosts, etc/mtab and etc/resolv.conf are linuxkit's. Errors: Errno;
// ImageErrc too_large.
[[nodiscard]] Result<> set_container_files(Image& image);

// write_linuxkit_boot_ramdisk is write_boot_ramdisk in linuxkit's layout.
[[nodiscard]] Result<> write_linuxkit_boot_ramdisk(const BootRamdisk& files,
                                                   const RamdiskSink& sink);

// write_linuxkit_image_ramdisk is write_image_ramdisk in linuxkit's layout, for an image after
// set_container_files: rootfs, the tree, a directory's entries in bytewise order behind it; then
// rootfs again with dev, run, sys, var, proc and tmp; cmd and env. Hard links are relative
// symlinks. Errors: as write_image_ramdisk.
[[nodiscard]] Result<> write_linuxkit_image_ramdisk(const Image& image, const RamdiskSink& sink,
                                                    const Progress& progress = {});

}  // namespace casemate::image
