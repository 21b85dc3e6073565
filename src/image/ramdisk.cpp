#include "image/ramdisk.hpp"

#include <algorithm>
#include <unordered_map>

#include "codec/cpio.hpp"
#include "image/ramdisk_parts.hpp"

namespace casemate::image {

namespace {

using codec::CpioLink;
using codec::CpioOwner;
using codec::CpioWriter;

std::string line_of(const std::string& text) {
    return text.empty() ? text : text + "\n";
}

class ImageWriter {
public:
    ImageWriter(const Image& image, const RamdiskSink& sink, const Progress& progress)
        : image_(&image),
          pieces_(sink),
          writer_([this](ByteView bytes) { return pieces_.write(bytes); }),
          content_(image, progress) {}

    Result<> write() {
        const std::vector<std::string> arguments = image_->config.arguments();
        CASEMATE_CHECK(add_text("argv", joined(arguments, '\0')));
        CASEMATE_CHECK(add_text("cmd", joined(arguments, '\n')));
        CASEMATE_CHECK(add_text("env", joined(image_->config.environment, '\n')));
        CASEMATE_CHECK(add_text("environment", joined(image_->config.environment, '\0')));
        CASEMATE_CHECK(writer_.add_directory(kRootfs, kDirectoryPermissions));
        CASEMATE_CHECK(add_tree());
        CASEMATE_CHECK(add_text("user", line_of(image_->config.user)));
        CASEMATE_CHECK(add_text("workdir", line_of(image_->config.working_directory)));
        CASEMATE_CHECK(writer_.finish());
        return pieces_.flush();
    }

private:
    struct LinkGroup {
        std::uint32_t count = 0;
        std::uint32_t left = 0;
        CpioLink link;
    };

    Result<> add_text(std::string_view name, const std::string& text) {
        return writer_.add_small_file(name, kTextPermissions, as_bytes(text));
    }

    // The image's own entries with the directories that must exist, both in bytewise order.
    Result<> add_tree() {
        count_links();
        constexpr std::array<std::string_view, 6> kMustExist = {"dev", "proc", "run",
                                                                "sys", "tmp",  "var"};
        const FileTree::Entries& entries = image_->tree.entries();
        auto entry = entries.begin();
        for (const std::string_view directory : kMustExist) {
            for (; entry != entries.end() && entry->first < directory; ++entry) {
                CASEMATE_CHECK(add_entry(entry->first, entry->second));
            }
            if (entry == entries.end() || entry->first != directory) {
                CASEMATE_CHECK(
                    writer_.add_directory(path_in_root(directory), kDirectoryPermissions));
            }
        }
        for (; entry != entries.end(); ++entry) {
            CASEMATE_CHECK(add_entry(entry->first, entry->second));
        }
        return {};
    }

    void count_links() {
        for (const auto& [path, inode] : image_->tree.entries()) {
            if (inode->kind == InodeKind::file && inode.use_count() > 1) {
                LinkGroup& group = links_[inode.get()];
                group.left = ++group.count;
            }
        }
    }

    Result<> add_entry(const std::string& path, const std::shared_ptr<const Inode>& inode) {
        const std::string name = path_in_root(path);
        const CpioOwner owner{inode->uid, inode->gid};
        switch (inode->kind) {
            case InodeKind::directory:
                return writer_.add_directory(name, inode->permissions, owner);
            case InodeKind::symlink:
                return writer_.add_symlink(name, *inode->target, owner);
            case InodeKind::character:
                return writer_.add_device(name, codec::CpioDevice::character, inode->permissions,
                                          inode->device_major(), inode->device_minor(), owner);
            case InodeKind::block:
                return writer_.add_device(name, codec::CpioDevice::block, inode->permissions,
                                          inode->device_major(), inode->device_minor(), owner);
            case InodeKind::fifo:
                return writer_.add_device(name, codec::CpioDevice::fifo, inode->permissions, 0, 0,
                                          owner);
            case InodeKind::file:
                break;
        }
        return add_file(path, *inode, owner);
    }

    Result<> add_file(const std::string& path, const Inode& inode, CpioOwner owner) {
        const std::string name = path_in_root(path);
        const auto found = links_.find(&inode);
        if (found == links_.end() || found->second.count == 1) {
            CASEMATE_CHECK(writer_.add_file(name, inode.permissions, inode.size, owner));
            return content_.add(path, inode, writer_);
        }
        LinkGroup& group = found->second;
        if (group.left == group.count) {
            CASEMATE_TRY(group.link, writer_.begin_links(inode.permissions, group.count, owner));
        }
        if (--group.left != 0) {
            return writer_.add_link(group.link, name);
        }
        CASEMATE_CHECK(writer_.add_last_link(group.link, name, inode.size));
        return content_.add(path, inode, writer_);
    }

    const Image* image_;
    PieceSink pieces_;
    CpioWriter writer_;
    ContentCopier content_;
    std::unordered_map<const Inode*, LinkGroup> links_;
};

}  // namespace

Result<> write_boot_ramdisk(const BootRamdisk& files, const RamdiskSink& sink) {
    PieceSink pieces(sink);
    CpioWriter writer([&](ByteView bytes) { return pieces.write(bytes); });
    CASEMATE_CHECK(writer.add_directory("dev", kDirectoryPermissions));
    CASEMATE_CHECK(add_program(writer, "init", files.init));
    if (!files.nsm_module.empty()) {
        CASEMATE_CHECK(add_program(writer, "nsm.ko", files.nsm_module));
    }
    CASEMATE_CHECK(writer.finish());
    return pieces.flush();
}

Result<> write_image_ramdisk(const Image& image, const RamdiskSink& sink,
                             const Progress& progress) {
    return ImageWriter(image, sink, progress).write();
}

}  // namespace casemate::image
