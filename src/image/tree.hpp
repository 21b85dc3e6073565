// The merged file tree of an image, in memory: who, what and where, but no content.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "image/content.hpp"
#include "image/error.hpp"

namespace casemate::image {

// kMaxPath and kMaxComponent: what Linux can hold, in bytes, with the ramdisk's "rootfs/" in front.
inline constexpr std::size_t kMaxPath = 4095 - 7;
inline constexpr std::size_t kMaxComponent = 255;

// normal_path makes a path of the tree out of an archive's name: "./a//b/" becomes "a/b", "./" the
// empty path of the root. Errors: ImageErrc bad_name for an absolute or empty name, a ".."
// component, NUL bytes, or beyond kMaxPath and kMaxComponent.
[[nodiscard]] Result<std::string> normal_path(std::string_view name);

// printable shortens a name for a message and replaces control characters by '?'.
[[nodiscard]] std::string printable(std::string_view name);

enum class InodeKind : std::uint8_t { file, directory, symlink, character, block, fifo };

// Inode: what one or, with hard links, several paths stand for.
struct Inode {
    InodeKind kind = InodeKind::file;
    // permissions: the low 12 bits of the mode.
    std::uint32_t permissions = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    // major and minor of a character or block device.
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    // content of a file. Without content.file, its size bytes are in the file named text below the
    // image's root directory, which had the inode number source_inode.
    Content content;
    std::uint64_t source_inode = 0;
    // text: a symlink's target, or see content.
    std::string text;
};

// FileTree maps normal paths to inodes, in bytewise order of the paths, so that a directory comes
// before what it holds. The root itself is not an entry. Every path's parents are directories.
class FileTree {
public:
    using Entries = std::map<std::string, std::shared_ptr<const Inode>, std::less<>>;

    explicit FileTree(std::uint64_t max_entries) : max_entries_(max_entries) {}

    // put sets a normal, non-empty path. A directory over a directory keeps what it holds; anything
    // else replaces what was there. Missing parents become directories 0755 of 0:0; a parent that
    // is not a directory (a symlink, say) is replaced by one, never followed.
    // Errors: ImageErrc too_large for more entries than allowed.
    [[nodiscard]] Result<> put(const std::string& path, std::shared_ptr<const Inode> inode);
    // link makes path another name of the inode at target. Errors: as put; ImageErrc bad_link when
    // target does not exist or is a directory.
    [[nodiscard]] Result<> link(const std::string& path, const std::string& target);
    // remove takes away a path and all below it; clear only what is below it (the empty path is
    // the root). Nothing there is no error.
    void remove(const std::string& path);
    void clear(const std::string& path);

    [[nodiscard]] const Entries& entries() const { return entries_; }
    // replaced_parents counts parents that were replaced because they were no directories.
    [[nodiscard]] std::uint64_t replaced_parents() const { return replaced_parents_; }

private:
    [[nodiscard]] Result<> make_parents(const std::string& path);
    [[nodiscard]] Result<> insert(const std::string& path, std::shared_ptr<const Inode> inode);

    Entries entries_;
    std::uint64_t max_entries_;
    std::uint64_t replaced_parents_ = 0;
};

}  // namespace casemate::image
