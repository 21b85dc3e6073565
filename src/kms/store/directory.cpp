#include "kms/store/directory.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/os_error.hpp"
#include "kms/store/error.hpp"

namespace casemate::kms {

namespace {

std::string octal(unsigned number) {
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "%04o", number);
    return text.data();
}

Error unavailable(const std::string& what) {
    return {StoreErrc::unavailable, os_error(what).message()};
}

Result<> check_owner(const struct stat& status, const std::string& path) {
    if (status.st_uid != ::geteuid()) {
        return Error(StoreErrc::bad_place, "expected " + path + " to be user " +
                                               std::to_string(::geteuid()) + "'s, found user " +
                                               std::to_string(status.st_uid) + "'s");
    }
    if ((status.st_mode & 077U) != 0) {
        return Error(StoreErrc::bad_place, "expected " + path +
                                               " to be its owner's alone, found mode " +
                                               octal(status.st_mode & 07777U));
    }
    return {};
}

}  // namespace

Result<UniqueFd> open_private_directory(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0700) == 0) {
        std::string parent = std::filesystem::path(directory).parent_path();
        parent = parent.empty() ? "." : parent;
        const UniqueFd above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!above.valid()) {
            return unavailable("open " + parent);
        }
        CASEMATE_CHECK(sync_directory(above.get(), parent));
    } else if (errno != EEXIST) {
        return unavailable("make the directory " + directory);
    }
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOTDIR) {
        return Error(StoreErrc::bad_place,
                     "expected a directory at " + directory + ", found a file");
    }
    struct stat status {};
    if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
        return unavailable("open " + directory);
    }
    CASEMATE_CHECK(check_owner(status, directory));
    return fd;
}

Result<> check_private_file(const struct stat& status, const std::string& path) {
    if (!S_ISREG(status.st_mode)) {
        return Error(StoreErrc::bad_place,
                     "expected a file at " + path + ", found a link or another kind of file");
    }
    return check_owner(status, path);
}

Result<> sync_directory(int fd, const std::string& directory) {
    if (::fsync(fd) != 0) {
        return unavailable("write " + directory + " to disk");
    }
    return {};
}

Result<> replace_private_file(int fd, const std::string& directory, const std::string& name,
                              ByteView content) {
    const std::string aside = name + ".new";
    // What a killed process has left.
    ::unlinkat(fd, aside.c_str(), 0);
    const UniqueFd file(
        ::openat(fd, aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) {
        return unavailable("make " + directory + "/" + aside);
    }
    if (auto done = write_all(file.get(), content); !done) {
        ::unlinkat(fd, aside.c_str(), 0);
        return Error(StoreErrc::unavailable, done.error().message());
    }
    if (::fsync(file.get()) != 0 || ::renameat(fd, aside.c_str(), fd, name.c_str()) != 0) {
        const Error error = unavailable("write " + directory + "/" + name);
        ::unlinkat(fd, aside.c_str(), 0);
        return error;
    }
    return sync_directory(fd, directory);
}

}  // namespace casemate::kms
