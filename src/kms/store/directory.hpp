// The directory of the key management service: its owner's alone, as is each file in it.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::kms {

// open_private_directory opens a directory, made with mode 0700 when it is missing (its parent is
// not). Errors: StoreErrc bad_place when it is another user's, when others may enter it, or when it
// is none; unavailable.
[[nodiscard]] Result<UniqueFd> open_private_directory(const std::string& directory);

// check_private_file refuses what others may read or have put there. Errors: StoreErrc bad_place.
[[nodiscard]] Result<> check_private_file(const struct stat& status, const std::string& path);

// sync_directory brings the names in a directory to the disk. Errors: StoreErrc unavailable.
[[nodiscard]] Result<> sync_directory(int fd, const std::string& directory);

// replace_private_file writes a file of mode 0600 beside name, syncs it and renames it, so that
// whoever comes after a kill finds the old one or the new one. Errors: StoreErrc unavailable.
[[nodiscard]] Result<> replace_private_file(int fd, const std::string& directory,
                                            const std::string& name, ByteView content);

}  // namespace casemate::kms
