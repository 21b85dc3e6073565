#include "image/linuxkit.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/os_error.hpp"
#include "codec/cpio.hpp"
#include "image/ramdisk_parts.hpp"

namespace casemate::image {

namespace {

using codec::CpioOwner;
using codec::CpioStyle;
using codec::CpioWriter;

// How linuxkit's cpio writer fills in what nobody reads.
CpioStyle linuxkit_style() {
    CpioStyle style;
    style.first_inode = 721;
    style.device_major = 3;
    style.device_minor = 1;
    style.lower_case = true;
    style.numbered_trailer = true;
    style.alignment = 512;
    style.directory_slash = true;
    return style;
}

constexpr std::string_view kHosts =
    "127.0.0.1       localhost\n"
    "::1     localhost ip6-localhost ip6-loopback\n"
    "fe00::0 ip6-localnet\n"
    "ff00::0 ip6-mcastprefix\n"
    "ff02::1 ip6-allnodes\n"
    "ff02::2 ip6-allrouters\n";
// The permissions of the files that Docker makes in each container to mount something over them.
constexpr std::uint16_t kMountpointPermissions = 0755;

std::shared_ptr<Inode> make_inode(InodeKind kind, std::uint16_t permissions) {
    auto inode = std::make_shared<Inode>();
    inode->kind = kind;
    inode->permissions = permissions;
    inode->modified = kLinuxkitTime;
    return inode;
}

std::shared_ptr<Inode> make_symlink(std::string target, std::uint16_t permissions) {
    auto inode = make_inode(InodeKind::symlink, permissions);
    inode->target = std::make_unique<const std::string>(std::move(target));
    return inode;
}

// memory_file is an unnamed file with this text.
Result<std::shared_ptr<const UniqueFd>> memory_file(std::string_view text) {
    UniqueFd file(::memfd_create("casemate-text", MFD_CLOEXEC));
    if (!file.valid()) {
        return os_error("make a file in memory");
    }
    CASEMATE_CHECK(write_all_at(file.get(), 0, as_bytes(text)));
    return std::make_shared<const UniqueFd>(std::move(file));
}

// ContainerFiles: what Docker does to a container's files before it starts, then linuxkit.
class ContainerFiles {
public:
    explicit ContainerFiles(FileTree& tree) : tree_(&tree) {}

    Result<> set() {
        for (const char* path : {"dev/pts", "dev/shm", "proc", "sys"}) {
            CASEMATE_CHECK(make_room(path));
            CASEMATE_CHECK(set_directory(path));
        }
        CASEMATE_TRY(auto hosts, memory_file(kHosts));
        auto file = make_inode(InodeKind::file, kMountpointPermissions);
        file->size = static_cast<std::uint32_t>(kHosts.size());
        file->file = hosts.get();
        tree_->keep(std::move(hosts));
        CASEMATE_CHECK(set_file("etc/hosts", std::move(file)));
        CASEMATE_CHECK(set_file("etc/mtab", make_symlink("/proc/mounts", 0777)));
        CASEMATE_CHECK(set_file("etc/resolv.conf", make_symlink("/run/resolvconf/resolv.conf",
                                                                kMountpointPermissions)));
        for (const char* path : {"dev", "etc"}) {
            CASEMATE_CHECK(set_directory(path));
        }
        for (const char* path : {".dockerenv", "Dockerfile", "dev/console", "etc/hostname"}) {
            if (!is_directory(path)) {
                tree_->remove(path);
            }
        }
        return {};
    }

private:
    [[nodiscard]] bool is_directory(const std::string& path) const {
        const Inode* inode = tree_->find(path);
        return inode != nullptr && inode->kind == InodeKind::directory;
    }

    // make_room removes whatever on the way to the path, or there, is not a directory.
    Result<> make_room(const std::string& path) {
        for (std::size_t end = 0; end < path.size();) {
            end = std::min(path.find('/', end + 1), path.size());
            const std::string part = path.substr(0, end);
            if (!is_directory(part)) {
                tree_->remove(part);
                if (end < path.size()) {
                    CASEMATE_CHECK(set_directory(part));
                }
            }
        }
        return {};
    }

    // set_directory makes a directory, or gives one that is there linuxkit's time.
    Result<> set_directory(const std::string& path) {
        auto directory = make_inode(InodeKind::directory, kDirectoryPermissions);
        if (const Inode* old = tree_->find(path); is_directory(path)) {
            directory->permissions = old->permissions;
            directory->uid = old->uid;
            directory->gid = old->gid;
        }
        return tree_->put(path, std::move(directory));
    }

    Result<> set_file(const std::string& path, std::shared_ptr<Inode> inode) {
        CASEMATE_CHECK(make_room(path));
        return is_directory(path) ? Result<>() : tree_->put(path, std::move(inode));
    }

    FileTree* tree_;
};

// relative_target is the path from a link's directory to what it links to.
std::string relative_target(std::string_view link, std::string_view target) {
    std::size_t common = 0;
    for (std::size_t i = 0; i < link.size() && i < target.size() && link[i] == target[i]; ++i) {
        common = link[i] == '/' ? i + 1 : common;
    }
    std::string up;
    for (const char c : link.substr(common)) {
        up += c == '/' ? "../" : "";
    }
    return up.append(target.substr(common));
}

class LinuxkitWriter {
public:
    LinuxkitWriter(const Image& image, const RamdiskSink& sink, const Progress& progress)
        : image_(&image),
          pieces_(sink),
          writer_([this](ByteView bytes) { return pieces_.write(bytes); }, linuxkit_style()),
          content_(image, progress) {}

    Result<> write() {
        writer_.set_modified(kLinuxkitTime);
        CASEMATE_CHECK(writer_.add_directory(kRootfs, kDirectoryPermissions));
        for (const Entry entry : in_order()) {
            writer_.set_modified(entry->second->modified);
            CASEMATE_CHECK(add(entry->first, entry->second));
        }
        writer_.set_modified(kLinuxkitTime);
        CASEMATE_CHECK(writer_.add_directory(kRootfs, kDirectoryPermissions));
        for (const std::string_view name : {"dev", "run", "sys", "var", "proc", "tmp"}) {
            CASEMATE_CHECK(writer_.add_directory(path_in_root(name), kDirectoryPermissions));
        }
        CASEMATE_CHECK(add_lines("cmd", image_->config.arguments()));
        CASEMATE_CHECK(add_lines("env", image_->config.environment));
        CASEMATE_CHECK(writer_.finish());
        return pieces_.flush();
    }

private:
    using Entry = FileTree::Entries::const_iterator;

    // `docker export` walks directories, each one's entries in bytewise order: as if the slash came
    // before all other bytes.
    [[nodiscard]] std::vector<Entry> in_order() const {
        const FileTree::Entries& entries = image_->tree.entries();
        std::vector<Entry> all;
        all.reserve(entries.size());
        for (Entry entry = entries.begin(); entry != entries.end(); ++entry) {
            all.push_back(entry);
        }
        const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
        std::sort(all.begin(), all.end(), [rank](Entry left, Entry right) {
            return std::lexicographical_compare(
                left->first.begin(), left->first.end(), right->first.begin(), right->first.end(),
                [rank](char a, char b) { return rank(a) < rank(b); });
        });
        return all;
    }

    Result<> add(const std::string& path, const std::shared_ptr<const Inode>& inode) {
        const std::string name = path_in_root(path);
        const CpioOwner owner{inode->uid, inode->gid};
        if (inode->kind == InodeKind::directory) {
            const bool room = name.size() < codec::kCpioMaxName;
            return writer_.add_directory(room ? name + "/" : name, inode->permissions, owner);
        }
        if (inode.use_count() > 1) {
            const auto [first, is_first] = first_names_.try_emplace(inode.get(), &path);
            if (!is_first) {
                return writer_.add_symlink(name, relative_target(path, *first->second), owner,
                                           inode->permissions);
            }
        }
        switch (inode->kind) {
            case InodeKind::symlink:
                return writer_.add_symlink(name, *inode->target, owner, inode->permissions);
            case InodeKind::character:
            case InodeKind::block:
                return writer_.add_device(
                    name,
                    inode->kind == InodeKind::block ? codec::CpioDevice::block
                                                    : codec::CpioDevice::character,
                    inode->permissions, inode->device_major(), inode->device_minor(), owner);
            case InodeKind::fifo:
                return writer_.add_device(name, codec::CpioDevice::fifo, inode->permissions, 0, 0,
                                          owner);
            case InodeKind::directory:
            case InodeKind::file:
                break;
        }
        CASEMATE_CHECK(writer_.add_file(name, inode->permissions, inode->size, owner));
        return content_.add(path, *inode, writer_);
    }

    Result<> add_lines(std::string_view name, const std::vector<std::string>& lines) {
        return writer_.add_small_file(name, kTextPermissions, as_bytes(joined(lines, '\n')));
    }

    const Image* image_;
    PieceSink pieces_;
    CpioWriter writer_;
    ContentCopier content_;
    std::unordered_map<const Inode*, const std::string*> first_names_;
};

}  // namespace

Result<> set_container_files(Image& image) {
    return ContainerFiles(image.tree).set();
}

Result<> write_linuxkit_boot_ramdisk(const BootRamdisk& files, const RamdiskSink& sink) {
    PieceSink pieces(sink);
    CpioWriter writer([&](ByteView bytes) { return pieces.write(bytes); }, linuxkit_style());
    writer.set_modified(kLinuxkitTime);
    CASEMATE_CHECK(writer.add_directory("dev", kDirectoryPermissions));
    CASEMATE_CHECK(add_program(writer, "init", files.init));
    if (!files.nsm_module.empty()) {
        CASEMATE_CHECK(add_program(writer, "nsm.ko", files.nsm_module));
    }
    CASEMATE_CHECK(writer.finish());
    return pieces.flush();
}

Result<> write_linuxkit_image_ramdisk(const Image& image, const RamdiskSink& sink,
                                      const Progress& progress) {
    return LinuxkitWriter(image, sink, progress).write();
}

}  // namespace casemate::image
