// The merged file tree of an image, in memory: who, what and where, but no content.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "image/content.hpp"
#include "image/error.hpp"
#include "image/limits.hpp"

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

// Inode: what one or, with hard links, several paths stand for. An image can have a million of
// them, so they are small.
struct Inode {
    InodeKind kind = InodeKind::file;
    // permissions: the low 12 bits of the mode.
    std::uint16_t permissions = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    // modified: the time of the last change, in seconds since 1970; 0 for earlier or unknown ones.
    std::uint32_t modified = 0;
    // size of a file's content in bytes.
    std::uint32_t size = 0;
    // file has a file's content from offset place on; FileTree::keep keeps it open. Without one the
    // content is in the file at the inode's own path below the image's root directory, which had
    // the inode number place. A device's number is its major in the upper and its minor in the
    // lower half of place.
    const UniqueFd* file = nullptr;
    std::uint64_t place = 0;
    // target of a symlink, else nothing.
    std::unique_ptr<const std::string> target;

    void set_device(std::uint32_t major, std::uint32_t minor) {
        place = (std::uint64_t{major} << 32U) | minor;
    }
    [[nodiscard]] std::uint32_t device_major() const {
        return static_cast<std::uint32_t>(place >> 32U);
    }
    [[nodiscard]] std::uint32_t device_minor() const { return static_cast<std::uint32_t>(place); }
};

// clamp_time makes an Inode's time of one in seconds since 1970.
[[nodiscard]] std::uint32_t clamp_time(std::int64_t seconds);

// kMaxSymlinks: how many symlinks a path may lead through, as for Linux (path_resolution(7)).
inline constexpr int kMaxSymlinks = 40;

// InodeLookup finds what is at a normal path; nullptr for nothing.
using InodeLookup = std::function<const Inode*(std::string_view path)>;

// real_directory follows the symlinks in a normal path as a process in the image's root would,
// the last component's too: absolute targets begin at the root, ".." stops there. Where nothing is,
// there could be directories. Gives a normal path that leads through no symlink. Errors: ImageErrc
// bad_name for more than kMaxSymlinks symlinks, another kind of file on the way, or a result beyond
// kMaxPath and kMaxComponent.
[[nodiscard]] Result<std::string> real_directory(std::string_view path, const InodeLookup& lookup);

// parent_of is a normal path's directory, empty for the root, and name_of its last component. below
// is the path of a name in a directory.
[[nodiscard]] std::string_view parent_of(std::string_view path);
[[nodiscard]] std::string_view name_of(std::string_view path);
[[nodiscard]] std::string below(std::string directory, std::string_view name);

// FileTree maps normal paths to inodes, in bytewise order of the paths, so that a directory comes
// before what it holds. The root itself is not an entry. Every path's parents are directories.
class FileTree {
public:
    using Entries = std::map<std::string, std::shared_ptr<const Inode>, std::less<>>;

    explicit FileTree(std::uint64_t max_entries,
                      std::uint64_t max_name_bytes = ImageLimits{}.name_bytes)
        : max_entries_(max_entries), name_bytes_left_(max_name_bytes) {}

    // put sets a normal, non-empty path, whose parents are real_directory's; missing ones become
    // directories 0755 of 0:0. A directory over a directory keeps what it holds; anything else
    // replaces what was there, symlinks too. Errors: those of real_directory; ImageErrc bad_name,
    // too_large for more entries than allowed, or longer paths of all that ever were.
    [[nodiscard]] Result<> put(std::string path, std::shared_ptr<const Inode> inode);
    // link makes path another name of the inode at target, whose parents are real_directory's too.
    // Errors: as put; ImageErrc bad_link when target does not exist or is a directory.
    [[nodiscard]] Result<> link(std::string path, const std::string& target);
    // remove takes away a path and all below it; clear only what is below it (the empty path is
    // the root). Symlinks are not followed. Nothing there is no error.
    void remove(const std::string& path);
    void clear(const std::string& path);

    // find gives what is at a path, without following symlinks; nullptr for nothing.
    [[nodiscard]] const Inode* find(std::string_view path) const;
    // real_path follows the symlinks in a normal path's parents, not the path's own. Errors: those
    // of real_directory.
    [[nodiscard]] Result<std::string> real_path(std::string path) const;

    [[nodiscard]] const Entries& entries() const { return entries_; }

    // keep holds a file that inodes of the tree point to open.
    void keep(std::shared_ptr<const UniqueFd> file);

private:
    [[nodiscard]] Result<> make_parents(const std::string& path);
    [[nodiscard]] Result<> insert(std::string path, std::shared_ptr<const Inode> inode);

    Entries entries_;
    std::vector<std::shared_ptr<const UniqueFd>> files_;
    std::uint64_t max_entries_;
    // How long the paths that are yet to come may be: one deep path makes many directories.
    std::uint64_t name_bytes_left_;
};

}  // namespace casemate::image
