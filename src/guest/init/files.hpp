// Small files of the ramdisk and of the image.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace casemate::guest {

inline constexpr std::size_t kMaxSmallFile = 4UL << 20U;

// read_small_file gives a regular file's contents, nothing when there is no such file.
// GuestErrc::bad_launch_file when it is something else, longer than kMaxSmallFile, or unreadable.
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::string& path);

// make_folders makes a folder and those above it, mode 0755, and gives whether it is there now.
[[nodiscard]] bool make_folders(const std::string& path);

}  // namespace casemate::guest
