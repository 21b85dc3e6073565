#include "image/container.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "base/os_error.hpp"
#include "image/stream.hpp"
#include "image/tar.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr int kMaxLinks = 8;

Error missing(const std::string& name, const std::string& where) {
    return {ImageErrc::not_found,
            "expected a file '" + printable(name) + "' in " + where + ", found none"};
}

class DirectoryContainer final : public Container {
public:
    DirectoryContainer(std::string path, UniqueFd directory)
        : path_(std::move(path)), directory_(std::move(directory)) {}

    Result<Content> find(const std::string& name) override {
        CASEMATE_TRY(const std::string normal, normal_path(name));
        UniqueFd file(::openat(directory_.get(), normal.c_str(),
                               O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (!file.valid() && errno == ENOENT) {
            return missing(name, path_);
        }
        struct stat status {};
        if (!file.valid() || ::fstat(file.get(), &status) != 0) {
            return os_error("open " + path_ + "/" + printable(normal));
        }
        if (!S_ISREG(status.st_mode)) {
            return missing(name, path_);
        }
        return Content{std::make_shared<const UniqueFd>(std::move(file)), 0,
                       static_cast<std::uint64_t>(status.st_size)};
    }

private:
    std::string path_;
    UniqueFd directory_;
};

class TarContainer final : public Container {
public:
    explicit TarContainer(std::string path) : path_(std::move(path)) {}

    Result<> read_index(const Content& archive, std::uint64_t entries_left) {
        CASEMATE_TRY(const auto stream, open_stream(archive, Compression::none));
        TarReader tar(*stream);
        while (true) {
            CASEMATE_TRY(std::optional<TarEntry> entry, tar.next());
            if (!entry) {
                return {};
            }
            if (entries_left-- == 0) {
                return Error(ImageErrc::too_large,
                             "expected fewer entries in " + path_ + ", found more");
            }
            CASEMATE_TRY(std::string name, normal_path(entry->name));
            if (entry->kind == TarKind::file && !entry->sparse) {
                links_.erase(name);
                files_[std::move(name)] = {archive.file, archive.offset + tar.position(),
                                           entry->size};
            } else if (entry->kind == TarKind::symlink || entry->kind == TarKind::hard_link) {
                const bool symbolic = entry->kind == TarKind::symlink;
                files_.erase(name);
                links_[name] = symbolic ? join(name, entry->link) : join("", entry->link);
            }
        }
    }

    Result<Content> find(const std::string& name) override {
        CASEMATE_TRY(std::string at, normal_path(name));
        for (int i = 0; i <= kMaxLinks; ++i) {
            if (const auto file = files_.find(at); file != files_.end()) {
                return file->second;
            }
            const auto link = links_.find(at);
            if (link == links_.end()) {
                return missing(name, path_);
            }
            at = link->second;
        }
        return Error(ImageErrc::bad_link, "expected at most 8 links to a file, found a loop at '" +
                                              printable(name) + "' in " + path_);
    }

private:
    // join resolves a link of the archive by its text alone, and stays within the archive.
    static std::string join(const std::string& from, const std::string& target) {
        std::string path =
            from.substr(0, from.rfind('/') == std::string::npos ? 0 : from.rfind('/'));
        for (std::size_t begin = 0; begin < target.size();) {
            const std::size_t end = std::min(target.find('/', begin), target.size());
            const std::string component = target.substr(begin, end - begin);
            begin = end + 1;
            if (component == "..") {
                path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
            } else if (!component.empty() && component != ".") {
                path += (path.empty() ? "" : "/") + component;
            }
        }
        return path;
    }

    std::string path_;
    std::map<std::string, Content> files_;
    std::map<std::string, std::string> links_;
};

// decompress puts a whole compressed file into the spool.
Result<Content> decompress(const Content& file, Compression compression, Spool& spool,
                           std::uint64_t limit) {
    CASEMATE_TRY(const auto stream, open_stream(file, compression));
    const std::uint64_t start = spool.position();
    while (true) {
        CASEMATE_TRY(const MutableBytes room, spool.room());
        CASEMATE_TRY(const std::size_t got, stream->read(room));
        if (got == 0) {
            CASEMATE_CHECK(spool.flush());
            return spool.content_from(start);
        }
        spool.filled(got);
        if (spool.position() - start > limit) {
            return Error(ImageErrc::too_large, "expected an archive of at most " +
                                                   std::to_string(limit) +
                                                   " bytes when decompressed, found more");
        }
    }
}

}  // namespace

Result<std::unique_ptr<Container>> Container::open(const std::string& path, Spool& spool,
                                                   const ImageLimits& limits) {
    CASEMATE_TRY(UniqueFd fd, open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) {
        return os_error("open " + path);
    }
    if (S_ISDIR(status.st_mode)) {
        return std::unique_ptr<Container>(
            std::make_unique<DirectoryContainer>(path, std::move(fd)));
    }
    if (!S_ISREG(status.st_mode)) {
        return Error(ImageErrc::unsupported,
                     "expected a directory or a regular file at " + path + ", found another kind");
    }
    return open_archive({std::make_shared<const UniqueFd>(std::move(fd)), 0,
                         static_cast<std::uint64_t>(status.st_size)},
                        path, spool, limits);
}

Result<std::unique_ptr<Container>> Container::open_archive(Content archive, const std::string& what,
                                                           Spool& spool,
                                                           const ImageLimits& limits) {
    CASEMATE_TRY(const Compression compression, detect(archive));
    if (compression != Compression::none) {
        CASEMATE_TRY(archive, decompress(archive, compression, spool, limits.total_bytes));
    }
    auto container = std::make_unique<TarContainer>(what);
    auto indexed = container->read_index(archive, limits.entries);
    if (!indexed) {
        return std::move(indexed).error().while_doing("read " + what);
    }
    return std::unique_ptr<Container>(std::move(container));
}

}  // namespace casemate::image
