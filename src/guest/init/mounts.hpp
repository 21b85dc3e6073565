// The file systems of the app: the customer's root made the root, and what AWS's init mounts in it
// (formats.md 3.2, in its order).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace casemate::guest {

// mount_devices mounts devtmpfs on /dev of the ramdisk; already mounted is fine.
[[nodiscard]] Result<> mount_devices();

// enter_root makes /rootfs the root of this mount namespace and of this process. GuestErrc::system.
[[nodiscard]] Result<> enter_root();

// mount_file_systems mounts what the app expects under the new root, with a file system of the type
// devices as its /dev. What the kernel lacks becomes
// a note on the console; GuestErrc::system only where an app could not run at all.
[[nodiscard]] Result<> mount_file_systems(const char* devices);

// enabled_controllers reads the text of /proc/cgroups: the names of controllers that are enabled.
[[nodiscard]] std::vector<std::string> enabled_controllers(std::string_view text);

// raise_loopback brings up the interface lo, where the kernel has networks at all.
void raise_loopback();

}  // namespace casemate::guest
