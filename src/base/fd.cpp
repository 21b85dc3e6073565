#include "base/fd.hpp"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/os_error.hpp"

namespace casemate {

void UniqueFd::reset(int fd) {
    const int old = std::exchange(fd_, fd);
    if (old >= 0) {
        ::close(old);
    }
}

Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd < 0) {
        return os_error("open " + path);
    }
    return UniqueFd(fd);
}

Result<FdPair> make_pipe(int flags) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), flags | O_CLOEXEC) != 0) {
        return os_error("make a pipe");
    }
    return FdPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<FdPair> make_socket_pair(int type) {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return os_error("make a socket pair");
    }
    return FdPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> make_memory_file(const std::string& name, std::uint64_t size) {
    UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd.valid()) {
        return os_error("make memory file " + name);
    }
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
        return os_error("size memory file " + name + " to " + std::to_string(size) + " bytes");
    }
    return fd;
}

Result<UniqueFd> make_huge_memory_file(const std::string& name, std::uint64_t size) {
    UniqueFd fd(
        ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_HUGE_2MB));
    if (!fd.valid()) {
        return os_error("make memory file " + name + " of 2 MiB pages");
    }
    // A page that is missing later would be a SIGBUS in whoever touches it first.
    if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(size)) != 0) {
        return os_error("take " + std::to_string(size / kHugePageSize) + " pages of 2 MiB");
    }
    return fd;
}

Result<UniqueFd> duplicate(int fd) {
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return os_error("duplicate a descriptor");
    }
    return UniqueFd(copy);
}

Result<> set_nonblocking(int fd, bool nonblocking) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) {
        return os_error("read a descriptor's flags");
    }
    const int wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (::fcntl(fd, F_SETFL, wanted) != 0) {
        return os_error("set a descriptor's flags");
    }
    return {};
}

Result<std::uint64_t> file_size(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) {
        return os_error("read a file's size");
    }
    return static_cast<std::uint64_t>(status.st_size);
}

Result<std::size_t> read_some(int fd, MutableBytes out) {
    while (true) {
        const ssize_t got = ::read(fd, out.data(), out.size());
        if (got >= 0) {
            return static_cast<std::size_t>(got);
        }
        if (errno != EINTR) {
            return os_error("read");
        }
    }
}

namespace {

Error ended_early(std::size_t missing) {
    return os_error("the file ended " + std::to_string(missing) + " bytes early", ENODATA);
}

}  // namespace

Result<> read_exactly(int fd, MutableBytes out) {
    while (!out.empty()) {
        CASEMATE_TRY(const std::size_t got, read_some(fd, out));
        if (got == 0) {
            return ended_early(out.size());
        }
        out = out.subspan(got);
    }
    return {};
}

Result<> read_exactly_at(int fd, std::uint64_t offset, MutableBytes out) {
    while (!out.empty()) {
        const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return os_error("read at offset " + std::to_string(offset));
        }
        if (got == 0) {
            return ended_early(out.size());
        }
        out = out.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
    return {};
}

Result<> write_all(int fd, ByteView bytes) {
    while (!bytes.empty()) {
        // send spares the process a SIGPIPE; files and pipes know only write.
        ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (put < 0 && errno == ENOTSOCK) {
            put = ::write(fd, bytes.data(), bytes.size());
        }
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return os_error("write");
        }
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
}

Result<> write_all_at(int fd, std::uint64_t offset, ByteView bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return os_error("write at offset " + std::to_string(offset));
        }
        bytes = bytes.subspan(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
    return {};
}

}  // namespace casemate
