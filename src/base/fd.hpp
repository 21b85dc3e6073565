// File descriptors: ownership, whole reads and writes, memory files and pipes.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate {

// UniqueFd owns a descriptor and closes it. -1 means none.
class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int fd) : fd_(fd) {}
    UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        reset(other.release());
        return *this;
    }
    UniqueFd(const UniqueFd&) = delete;
    UniqueFd& operator=(const UniqueFd&) = delete;
    ~UniqueFd() { reset(); }

    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool valid() const { return fd_ >= 0; }
    [[nodiscard]] int release() { return std::exchange(fd_, -1); }
    void reset(int fd = -1);

private:
    int fd_ = -1;
};

// FdPair: the two ends of a pipe (read, write) or of a socket pair.
struct FdPair {
    UniqueFd first;
    UniqueFd second;
};

// open_file opens with O_CLOEXEC added to flags; mode as for open(2).
[[nodiscard]] Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode = 0600);

// make_pipe: first is the reading end. Both close on exec; flags as for pipe2(2).
[[nodiscard]] Result<FdPair> make_pipe(int flags = 0);

// make_socket_pair: AF_UNIX of SOCK_STREAM or SOCK_SEQPACKET (or-ed with SOCK_NONBLOCK).
[[nodiscard]] Result<FdPair> make_socket_pair(int type);

// make_memory_file: an anonymous file of size bytes, sealable, closed on exec, empty of pages.
[[nodiscard]] Result<UniqueFd> make_memory_file(const std::string& name, std::uint64_t size);

// make_huge_memory_file: the same of the machine's reserved 2 MiB pages (kHugePageSize), all taken
// at once; size is a multiple of their size. Errno ENOSPC or ENOMEM where too few are free.
inline constexpr std::uint64_t kHugePageSize = 2ULL << 20U;
[[nodiscard]] Result<UniqueFd> make_huge_memory_file(const std::string& name, std::uint64_t size);

// duplicate makes a second descriptor of the same file, closed on exec.
[[nodiscard]] Result<UniqueFd> duplicate(int fd);

[[nodiscard]] Result<> set_nonblocking(int fd, bool nonblocking);

// file_size gives the size in bytes of a regular file.
[[nodiscard]] Result<std::uint64_t> file_size(int fd);

// read_some reads at most out.size() bytes once, again after EINTR; 0 means end of file.
[[nodiscard]] Result<std::size_t> read_some(int fd, MutableBytes out);

// read_exactly and read_exactly_at fail with Errno ENODATA when the file ends early.
[[nodiscard]] Result<> read_exactly(int fd, MutableBytes out);
[[nodiscard]] Result<> read_exactly_at(int fd, std::uint64_t offset, MutableBytes out);

// write_all writes every byte of a blocking descriptor; a closed peer is an error, not a signal,
// on sockets.
[[nodiscard]] Result<> write_all(int fd, ByteView bytes);
[[nodiscard]] Result<> write_all_at(int fd, std::uint64_t offset, ByteView bytes);

}  // namespace casemate
