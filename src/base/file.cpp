#include "base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "base/os_error.hpp"

namespace casemate {

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

Result<FileAside> FileAside::create(const std::string& path, unsigned mode) {
    std::string aside = path + ".XXXXXX";
    UniqueFd fd(::mkostemp(aside.data(), O_CLOEXEC));
    if (!fd.valid()) {
        return os_error("create a file beside " + path);
    }
    FileAside file(path, aside, std::move(fd));
    if (::fchmod(file.fd(), mode) != 0) {
        return os_error("set the mode of " + aside);
    }
    return file;
}

FileAside::~FileAside() {
    if (fd_.valid()) {
        ::unlink(aside_.c_str());
    }
}

Result<> FileAside::commit() {
    if (::fsync(fd_.get()) != 0) {
        return os_error("write " + path_ + " to disk");
    }
    if (::rename(aside_.c_str(), path_.c_str()) != 0) {
        return os_error("rename to " + path_);
    }
    fd_.reset();
    return {};
}

}  // namespace casemate
