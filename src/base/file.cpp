#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "base/os_error.hpp"

namespace casemate {

namespace {

// Where linkat finds a file that has no name (open(2), O_TMPFILE).
constexpr const char* kDescriptors = "/proc/self/fd/";
// More names than killed processes of one number can have left.
constexpr int kNameAttempts = 100;

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

// open_unnamed gives nothing where the file system has no such files, or they could not be named.
UniqueFd open_unnamed(const std::string& directory) {
    if (::access(kDescriptors, X_OK) != 0) {
        return {};
    }
    return UniqueFd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
}

Result<> expect_file(const std::string& path, mode_t mode) {
    if (S_ISREG(mode)) {
        return {};
    }
    return os_error("expected a file at " + path + ", or nothing; found a " +
                        (S_ISDIR(mode)                    ? "directory"
                         : S_ISCHR(mode) || S_ISBLK(mode) ? "device"
                         : S_ISFIFO(mode)                 ? "pipe"
                                                          : "socket"),
                    S_ISDIR(mode) ? EISDIR : EINVAL);
}

}  // namespace

Result<std::string> absolute_path(const std::string& path) {
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error);
    if (error) {
        return os_error("find " + (path.empty() ? std::string("a file without a name") : path),
                        error.value());
    }
    return absolute.lexically_normal().string();
}

Result<Bytes> read_file(const std::string& path, std::uint64_t limit) {
    CASEMATE_TRY(const UniqueFd fd, open_file(path, O_RDONLY));
    Bytes bytes;
    // Files under /proc and /sys have size 0: read until the end, whatever the size says.
    while (true) {
        constexpr std::size_t kChunk = 65536;
        const std::size_t before = bytes.size();
        bytes.resize(before + kChunk);
        auto got = read_some(fd.get(), MutableBytes(bytes).subspan(before));
        if (!got) {
            return std::move(got).error().while_doing(path);
        }
        bytes.resize(before + *got);
        if (bytes.size() > limit) {
            return os_error(path + " is larger than " + std::to_string(limit) + " bytes", EFBIG);
        }
        if (*got == 0) {
            return bytes;
        }
    }
}

Result<> write_file_atomically(const std::string& path, ByteView bytes, unsigned mode) {
    CASEMATE_TRY(FileAside aside, FileAside::create(path, mode));
    auto written = write_all(aside.fd(), bytes);
    if (!written) {
        return std::move(written).error().while_doing(path);
    }
    return aside.commit();
}

Result<std::string> output_place(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno == ENOENT && ::lstat(path.c_str(), &status) == 0) {
            return os_error("expected a file at " + path + ", or nothing; found a link to nothing",
                            ENOENT);
        }
        // What else is wrong shows when the file is made.
        return path;
    }
    CASEMATE_CHECK(expect_file(path, status.st_mode));
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                           &std::free);
    return real == nullptr ? Result<std::string>(os_error("follow " + path))
                           : Result<std::string>(std::string(real.get()));
}

unsigned output_mode() {
    // The mask can't be asked for without being set.
    const mode_t mask = ::umask(077);
    ::umask(mask);
    return 0666U & ~mask;
}

Result<FileAside> FileAside::create(const std::string& path, unsigned mode) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && !S_ISLNK(status.st_mode)) {
        CASEMATE_CHECK(expect_file(path, status.st_mode));
    }
    // A file without a name is gone with its process, also where that is killed.
    UniqueFd fd = open_unnamed(directory_of(path));
    std::string aside;
    if (!fd.valid()) {
        aside = path + ".XXXXXX";
        fd = UniqueFd(::mkostemp(aside.data(), O_CLOEXEC));
        if (!fd.valid()) {
            return os_error("create a file beside " + path);
        }
    }
    FileAside file(path, aside, std::move(fd));
    if (::fchmod(file.fd(), mode) != 0) {
        return os_error("set the mode of a file beside " + path);
    }
    return file;
}

FileAside::~FileAside() {
    if (fd_.valid() && !aside_.empty()) {
        ::unlink(aside_.c_str());
    }
}

Result<> FileAside::name() {
    if (!aside_.empty()) {
        return {};
    }
    const std::string self = kDescriptors + std::to_string(fd_.get());
    for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
        const std::string aside =
            path_ + "." + std::to_string(::getpid()) + "-" + std::to_string(attempt);
        if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, aside.c_str(), AT_SYMLINK_FOLLOW) == 0) {
            aside_ = aside;
            return {};
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return os_error("name a file beside " + path_);
}

Result<> FileAside::commit() {
    if (::fsync(fd_.get()) != 0) {
        return os_error("write " + path_ + " to disk");
    }
    // Only rename can take a file's place, and it wants a name.
    CASEMATE_CHECK(name());
    if (::rename(aside_.c_str(), path_.c_str()) != 0) {
        return os_error("rename to " + path_);
    }
    fd_.reset();
    return {};
}

}  // namespace casemate
