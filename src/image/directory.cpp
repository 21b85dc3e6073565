#include "image/directory.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <map>
#include <string_view>
#include <vector>

#include "base/os_error.hpp"
#include "codec/cpio.hpp"

namespace casemate::image {

namespace {

constexpr std::uint32_t kPermissions = 07777;

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

class Scanner {
public:
    Scanner(int root, const ImageLimits& limits, FileTree& tree)
        : root_(root), bytes_left_(limits.total_bytes), tree_(&tree) {}

    Result<DirectoryScan> run() {
        std::vector<std::string> todo{""};
        while (!todo.empty()) {
            const std::string directory = std::move(todo.back());
            todo.pop_back();
            CASEMATE_CHECK(scan(directory, todo));
        }
        return found_;
    }

private:
    Result<> scan(const std::string& path, std::vector<std::string>& todo) {
        // Named below the root, so that no descriptor is kept for each level.
        const std::string shown = path.empty() ? "the root directory" : printable(path);
        UniqueFd fd(::openat(root_, path.empty() ? "." : path.c_str(),
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.valid()) {
            return os_error("open " + shown);
        }
        const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
        if (directory == nullptr) {
            return os_error("open " + shown);
        }
        const int at = fd.release();
        while (true) {
            errno = 0;
            const dirent* entry = ::readdir(directory.get());
            if (entry == nullptr && errno != 0) {
                return os_error("read " + shown);
            }
            if (entry == nullptr) {
                return {};
            }
            const std::string_view name = entry->d_name;
            if (name == "." || name == "..") {
                continue;
            }
            CASEMATE_TRY(
                const std::string child,
                normal_path(path.empty() ? std::string(name) : path + "/" + std::string(name)));
            CASEMATE_TRY(const bool is_directory, add(at, entry->d_name, child));
            if (is_directory) {
                todo.push_back(child);
            }
        }
    }

    // add tells whether the path is a directory.
    Result<bool> add(int at, const char* name, const std::string& path) {
        struct stat status {};
        if (::fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("look at " + printable(path));
        }
        if (S_ISSOCK(status.st_mode)) {
            ++found_.sockets;
            return false;
        }
        count_attributes(path);
        const std::pair identity(status.st_dev, status.st_ino);
        const bool linked = !S_ISDIR(status.st_mode) && status.st_nlink > 1;
        if (linked) {
            const auto seen = linked_.find(identity);
            if (seen != linked_.end()) {
                CASEMATE_CHECK(tree_->put(path, seen->second));
                return false;
            }
        }
        CASEMATE_TRY(auto inode, make_inode(at, name, path, status));
        if (linked) {
            linked_[identity] = inode;
        }
        CASEMATE_CHECK(tree_->put(path, std::move(inode)));
        return S_ISDIR(status.st_mode);
    }

    Result<std::shared_ptr<const Inode>> make_inode(int at, const char* name,
                                                    const std::string& path,
                                                    const struct stat& status) {
        auto inode = std::make_shared<Inode>();
        inode->permissions = static_cast<std::uint16_t>(status.st_mode & kPermissions);
        inode->uid = status.st_uid;
        inode->gid = status.st_gid;
        inode->modified = clamp_time(status.st_mtim.tv_sec);
        switch (status.st_mode & S_IFMT) {
            case S_IFDIR:
                inode->kind = InodeKind::directory;
                break;
            case S_IFLNK: {
                inode->kind = InodeKind::symlink;
                inode->permissions = 0777;
                CASEMATE_TRY(std::string target, read_link(at, name, path));
                inode->target = std::make_unique<const std::string>(std::move(target));
                break;
            }
            case S_IFCHR:
            case S_IFBLK:
                inode->kind = S_ISCHR(status.st_mode) ? InodeKind::character : InodeKind::block;
                inode->set_device(major(status.st_rdev), minor(status.st_rdev));
                break;
            case S_IFIFO:
                inode->kind = InodeKind::fifo;
                break;
            default:
                CASEMATE_CHECK(set_content(path, status, *inode));
                break;
        }
        return std::shared_ptr<const Inode>(std::move(inode));
    }

    Result<> set_content(const std::string& path, const struct stat& status, Inode& inode) {
        const auto size = static_cast<std::uint64_t>(status.st_size);
        if (size > codec::kCpioMaxFile || size > bytes_left_) {
            return Error(ImageErrc::too_large,
                         "expected files of at most " + std::to_string(codec::kCpioMaxFile) +
                             " bytes and within the limit on the image, of "
                             "which " +
                             std::to_string(bytes_left_) + " are left, found '" + printable(path) +
                             "' of " + std::to_string(size));
        }
        bytes_left_ -= size;
        inode.size = static_cast<std::uint32_t>(size);
        inode.place = status.st_ino;
        return {};
    }

    static Result<std::string> read_link(int at, const char* name, const std::string& path) {
        std::array<char, codec::kCpioMaxTarget + 1> target{};
        const ssize_t size = ::readlinkat(at, name, target.data(), target.size());
        if (size < 0) {
            return os_error("read the link " + printable(path));
        }
        return std::string(target.data(), static_cast<std::size_t>(size));
    }

    // The path goes through /proc, as there is no call for a name in an open directory.
    void count_attributes(const std::string& path) {
        const std::string name = "/proc/self/fd/" + std::to_string(root_) + "/" + path;
        std::array<char, 4096> names{};
        const ssize_t size = ::llistxattr(name.c_str(), names.data(), names.size());
        if (size <= 0) {
            return;
        }
        ++found_.with_attributes;
        const std::string_view all(names.data(), static_cast<std::size_t>(size));
        found_.with_capabilities += all.find("security.capability") != all.npos ? 1U : 0U;
    }

    int root_;
    std::uint64_t bytes_left_;
    FileTree* tree_;
    DirectoryScan found_;
    std::map<std::pair<dev_t, ino_t>, std::shared_ptr<const Inode>> linked_;
};

}  // namespace

Result<DirectoryScan> scan_directory(int root, const ImageLimits& limits, FileTree& tree) {
    return Scanner(root, limits, tree).run();
}

Result<UniqueFd> open_source(int root, const std::string& path, const Inode& inode) {
    UniqueFd file(
        ::openat(root, path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || ::fstat(file.get(), &status) != 0) {
        return os_error("open " + printable(path));
    }
    if (!S_ISREG(status.st_mode) || status.st_ino != inode.place ||
        static_cast<std::uint64_t>(status.st_size) != inode.size) {
        return Error(ImageErrc::changed, "expected '" + printable(path) +
                                             "' to stay a file "
                                             "of " +
                                             std::to_string(inode.size) +
                                             " bytes, found another or " +
                                             std::to_string(status.st_size) + " bytes");
    }
    return file;
}

}  // namespace casemate::image
