#include "guest/init/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/fd.hpp"
#include "guest/init/error.hpp"

namespace casemate::guest {

Result<std::optional<std::string>> read_small_file(const std::string& path) {
    // O_NONBLOCK: a FIFO in a file's place must not stop the boot.
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!fd.valid()) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return std::optional<std::string>();
        }
        return unexpected_errno(GuestErrc::bad_launch_file, "a readable file " + path, errno);
    }
    struct stat status {};
    if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return unexpected(GuestErrc::bad_launch_file, "a regular file " + path, "another kind");
    }
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t size = read(fd.get(), buffer.data(), buffer.size());
        if (size < 0) {
            return unexpected_errno(GuestErrc::bad_launch_file, "a readable file " + path, errno);
        }
        if (size == 0) {
            return std::optional<std::string>(std::move(text));
        }
        text.append(buffer.data(), static_cast<std::size_t>(size));
        if (text.size() > kMaxSmallFile) {
            return unexpected(GuestErrc::bad_launch_file, "at most 4 MiB in " + path, "more");
        }
    }
}

bool make_folders(const std::string& path) {
    for (std::size_t end = path.find('/', 1); end != std::string::npos;
         end = path.find('/', end + 1)) {
        mkdir(path.substr(0, end).c_str(), 0755);
    }
    mkdir(path.c_str(), 0755);
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace casemate::guest
