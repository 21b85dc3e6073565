#include "image/ramdisk_parts.hpp"

#include <fcntl.h>

#include <algorithm>

#include "image/directory.hpp"

namespace casemate::image {

namespace {

using codec::CpioWriter;

constexpr std::size_t kPiece = 1U << 20U;
constexpr std::uint64_t kProgressStep = 4U << 20U;

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

}  // namespace

std::string path_in_root(std::string_view path) {
    std::string full(kRootfs);
    full.push_back('/');
    return full.append(path);
}

std::string joined(const std::vector<std::string>& items, char end) {
    std::string text;
    for (const std::string& item : items) {
        text += item;
        text.push_back(end);
    }
    return text;
}

PieceSink::PieceSink(const RamdiskSink& sink) : sink_(&sink) {
    buffer_.reserve(kPiece);
}

Result<> PieceSink::write(ByteView bytes) {
    if (buffer_.size() + bytes.size() > kPiece) {
        CASEMATE_CHECK(flush());
    }
    if (bytes.size() >= kPiece) {
        return (*sink_)(bytes);
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
    return {};
}

Result<> PieceSink::flush() {
    Result<> flushed;
    if (!buffer_.empty()) {
        flushed = (*sink_)(buffer_);
    }
    buffer_.clear();
    return flushed;
}

ContentCopier::ContentCopier(const Image& image, const Progress& progress)
    : image_(&image), progress_(&progress), buffer_(kPiece) {
}

Result<> ContentCopier::add(const std::string& path, const Inode& inode, CpioWriter& writer) {
    if (inode.size != 0 && inode.file != nullptr) {
        CASEMATE_CHECK(copy_content(inode.file->get(), inode.place, inode.size, path_in_root(path),
                                    buffer_, writer));
    } else if (inode.size != 0) {
        CASEMATE_TRY(const UniqueFd file, open_source(image_->root->get(), path, inode));
        CASEMATE_CHECK(
            copy_content(file.get(), 0, inode.size, path_in_root(path), buffer_, writer));
    }
    done_ += inode.size;
    if (*progress_ && (done_ - reported_ >= kProgressStep || done_ == image_->content_bytes)) {
        reported_ = done_;
        (*progress_)("image ramdisk", done_, image_->content_bytes);
    }
    return {};
}

Result<> add_program(CpioWriter& writer, std::string_view name, const std::string& path) {
    CASEMATE_TRY(const UniqueFd file, open_file(path, O_RDONLY));
    CASEMATE_TRY(const std::uint64_t size, file_size(file.get()));
    Bytes buffer(kPiece);
    CASEMATE_CHECK(writer.add_file(name, kDirectoryPermissions, size));
    return copy_content(file.get(), 0, size, path, buffer, writer);
}

}  // namespace casemate::image
