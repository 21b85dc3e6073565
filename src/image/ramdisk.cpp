#include "image/ramdisk.hpp"

#include <fcntl.h>

#include <algorithm>
#include <unordered_map>

#include "codec/cpio.hpp"
#include "image/directory.hpp"

namespace casemate::image {

namespace {

using codec::CpioLink;
using codec::CpioOwner;
using codec::CpioWriter;

constexpr std::size_t kPiece = 1U << 20U;
constexpr std::string_view kRoot = "rootfs";
constexpr std::uint32_t kDirectoryPermissions = 0755;
constexpr std::uint32_t kTextPermissions = 0644;

// PieceSink gathers small writes, headers mostly, into large ones.
class PieceSink {
public:
    explicit PieceSink(const RamdiskSink& sink) : sink_(&sink) { buffer_.reserve(kPiece); }

    Result<> write(ByteView bytes) {
        if (buffer_.size() + bytes.size() > kPiece) {
            CASEMATE_CHECK(flush());
        }
        if (bytes.size() >= kPiece) {
            return (*sink_)(bytes);
        }
        buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
        return {};
    }

    Result<> flush() {
        Result<> flushed;
        if (!buffer_.empty()) {
            flushed = (*sink_)(buffer_);
        }
        buffer_.clear();
        return flushed;
    }

private:
    const RamdiskSink* sink_;
    Bytes buffer_;
};

std::string joined(const std::vector<std::string>& items, char end) {
    std::string text;
    for (const std::string& item : items) {
        text += item;
        text.push_back(end);
    }
    return text;
}

std::string line_of(const std::string& text) {
    return text.empty() ? text : text + "\n";
}

// copy_content gives size bytes of a file, from offset on, to the writer, through buffer.
Result<> copy_content(int file, std::uint64_t offset, std::uint64_t file_size,
                      const std::string& name, Bytes& buffer, CpioWriter& writer) {
    for (std::uint64_t done = 0; done < file_size;) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), file_size - done));
        const MutableBytes piece = MutableBytes(buffer).first(size);
        auto read = read_exactly_at(file, offset + done, piece);
        if (!read) {
            return std::move(read).error().while_doing("read '" + printable(name) + "'");
        }
        CASEMATE_CHECK(writer.write(piece));
        done += size;
    }
    return {};
}

class ImageWriter {
public:
    ImageWriter(const Image& image, const RamdiskSink& sink, const Progress& progress)
        : image_(&image),
          progress_(&progress),
          pieces_(sink),
          writer_([this](ByteView bytes) { return pieces_.write(bytes); }),
          buffer_(kPiece) {}

    Result<> write() {
        const std::vector<std::string> arguments = image_->config.arguments();
        CASEMATE_CHECK(add_text("argv", joined(arguments, '\0')));
        CASEMATE_CHECK(add_text("cmd", joined(arguments, '\n')));
        CASEMATE_CHECK(add_text("env", joined(image_->config.environment, '\n')));
        CASEMATE_CHECK(add_text("environment", joined(image_->config.environment, '\0')));
        CASEMATE_CHECK(writer_.add_directory(kRoot, kDirectoryPermissions));
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
                CASEMATE_CHECK(writer_.add_directory(path_of(directory), kDirectoryPermissions));
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

    static std::string path_of(std::string_view path) {
        std::string full(kRoot);
        full.push_back('/');
        return full.append(path);
    }

    Result<> add_entry(const std::string& path, const std::shared_ptr<const Inode>& inode) {
        const std::string name = path_of(path);
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
        const std::string name = path_of(path);
        const auto found = links_.find(&inode);
        if (found == links_.end() || found->second.count == 1) {
            CASEMATE_CHECK(writer_.add_file(name, inode.permissions, inode.size, owner));
            return add_content(path, inode);
        }
        LinkGroup& group = found->second;
        if (group.left == group.count) {
            CASEMATE_TRY(group.link, writer_.begin_links(inode.permissions, group.count, owner));
        }
        if (--group.left != 0) {
            return writer_.add_link(group.link, name);
        }
        CASEMATE_CHECK(writer_.add_last_link(group.link, name, inode.size));
        return add_content(path, inode);
    }

    Result<> add_content(const std::string& path, const Inode& inode) {
        if (inode.size != 0 && inode.file != nullptr) {
            CASEMATE_CHECK(copy_content(inode.file->get(), inode.place, inode.size, path_of(path),
                                        buffer_, writer_));
        } else if (inode.size != 0) {
            CASEMATE_TRY(const UniqueFd file, open_source(image_->root->get(), path, inode));
            CASEMATE_CHECK(
                copy_content(file.get(), 0, inode.size, path_of(path), buffer_, writer_));
        }
        done_ += inode.size;
        if (*progress_ && (done_ - reported_ >= kProgressStep || done_ == image_->content_bytes)) {
            reported_ = done_;
            (*progress_)("image ramdisk", done_, image_->content_bytes);
        }
        return {};
    }

    static constexpr std::uint64_t kProgressStep = 4U << 20U;

    const Image* image_;
    const Progress* progress_;
    PieceSink pieces_;
    CpioWriter writer_;
    Bytes buffer_;
    std::unordered_map<const Inode*, LinkGroup> links_;
    std::uint64_t done_ = 0;
    std::uint64_t reported_ = 0;
};

Result<> add_program(CpioWriter& writer, std::string_view name, const std::string& path) {
    CASEMATE_TRY(const UniqueFd file, open_file(path, O_RDONLY));
    CASEMATE_TRY(const std::uint64_t size, file_size(file.get()));
    Bytes buffer(kPiece);
    CASEMATE_CHECK(writer.add_file(name, kDirectoryPermissions, size));
    return copy_content(file.get(), 0, size, path, buffer, writer);
}

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
