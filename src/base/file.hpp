// Whole small files: reading with a limit, writing so that a reader sees all or nothing.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate {

// read_file reads a whole file of at most limit bytes; a longer one is Errno EFBIG.
[[nodiscard]] Result<Bytes> read_file(const std::string& path, std::uint64_t limit);

// write_file_atomically writes beside path, syncs, and renames; mode as for open(2). On any error
// path is as it was before and nothing is left beside it.
[[nodiscard]] Result<> write_file_atomically(const std::string& path, ByteView bytes,
                                             unsigned mode = 0600);

// absolute_path completes a relative path by the working directory, without following symlinks; "."
// and ".." are resolved in the text. Errors: Errno for an empty path, and where there is no working
// directory any more.
[[nodiscard]] Result<std::string> absolute_path(const std::string& path);

// output_place gives the path at which a new file takes the place of the one that path names: links
// are followed, as open(2) does, and stay. Where there is nothing, that is path. Errors: Errno
// EISDIR for a directory, EINVAL for a device, pipe or socket, which a file would put an end to;
// ENOENT for a link to nothing.
[[nodiscard]] Result<std::string> output_place(const std::string& path);

// output_mode is what open(2) gives a new file that everybody may read and write: 0666 without the
// umask's bits. For programs that have no other threads yet.
[[nodiscard]] unsigned output_mode();

// FileAside is a file being written beside its final path, for output too large for memory. It
// disappears unless committed, also when the process is killed: where the file system can do that,
// it has no name until then.
class FileAside {
public:
    // create makes the file in path's directory, so that the rename can't cross file systems. A
    // link at path would be replaced (see output_place); errors: EISDIR or EINVAL for what is no
    // file.
    [[nodiscard]] static Result<FileAside> create(const std::string& path, unsigned mode = 0644);
    FileAside(FileAside&& other) noexcept = default;
    FileAside& operator=(FileAside&& other) noexcept = default;
    FileAside(const FileAside&) = delete;
    FileAside& operator=(const FileAside&) = delete;
    ~FileAside();

    // fd is open for reading and writing and stays this object's.
    [[nodiscard]] int fd() const { return fd_.get(); }
    // commit syncs the file and renames it to its final path.
    [[nodiscard]] Result<> commit();

private:
    FileAside(std::string path, std::string aside, UniqueFd fd)
        : path_(std::move(path)), aside_(std::move(aside)), fd_(std::move(fd)) {}
    [[nodiscard]] Result<> name();

    std::string path_;
    // aside_ is the name until commit; empty while there is none.
    std::string aside_;
    UniqueFd fd_;
};

}  // namespace casemate
