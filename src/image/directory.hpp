// A plain root directory as an image.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "image/error.hpp"
#include "image/limits.hpp"
#include "image/tree.hpp"

namespace casemate::image {

// DirectoryScan: what was left out of the tree.
struct DirectoryScan {
    std::uint64_t with_attributes = 0;
    std::uint64_t with_capabilities = 0;
    std::uint64_t sockets = 0;
};

// scan_directory puts everything below root into the tree, as it is: owners, permissions, links,
// devices; other file systems that are mounted below it included. Contents are not read yet.
// Errors: Errno naming the directory that can't be read; ImageErrc bad_name, too_large.
[[nodiscard]] Result<DirectoryScan> scan_directory(int root, const ImageLimits& limits,
                                                   FileTree& tree);

// open_source opens the content of a scanned file again, by one of its paths. Errors: Errno naming
// the file; ImageErrc changed when it is another file, or has another size, than when it was
// scanned.
[[nodiscard]] Result<UniqueFd> open_source(int root, const std::string& path, const Inode& inode);

}  // namespace casemate::image
