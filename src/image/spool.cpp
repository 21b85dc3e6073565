#include "image/spool.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/environment.hpp"
#include "base/os_error.hpp"

namespace casemate::image {

namespace {

constexpr std::size_t kBufferSize = 1U << 20U;

std::string directory_or_default(const std::string& directory) {
    if (!directory.empty()) {
        return directory;
    }
    const std::string temporary = environment("TMPDIR");
    return temporary.empty() ? "/tmp" : temporary;
}

}  // namespace

// Not every file system has unnamed files: then a file that loses its name at once.
Result<UniqueFd> open_unnamed(const std::string& wanted) {
    const std::string directory = directory_or_default(wanted);
    auto unnamed = open_file(directory, O_TMPFILE | O_RDWR, 0600);
    if (unnamed) {
        return unnamed;
    }
    std::string path = directory + "/.casemate-spool-XXXXXX";
    UniqueFd named(::mkostemp(path.data(), O_CLOEXEC));
    if (!named.valid()) {
        return os_error("make a temporary file in " + directory);
    }
    ::unlink(path.c_str());
    return named;
}

Spool::Spool(std::shared_ptr<const UniqueFd> file) : file_(std::move(file)), buffer_(kBufferSize) {
}

Result<Spool> Spool::create(const std::string& directory) {
    CASEMATE_TRY(UniqueFd file, open_unnamed(directory));
    return Spool(std::make_shared<const UniqueFd>(std::move(file)));
}

Result<MutableBytes> Spool::room() {
    if (buffered_ == buffer_.size()) {
        CASEMATE_CHECK(flush());
    }
    return MutableBytes(buffer_).subspan(buffered_);
}

Result<> Spool::append_zeros(std::uint64_t size) {
    CASEMATE_CHECK(flush());
    written_ += size;
    if (::ftruncate(file_->get(), static_cast<off_t>(written_)) != 0) {
        return os_error("extend the temporary file to " + std::to_string(written_) + " bytes");
    }
    return {};
}

Result<> Spool::flush() {
    CASEMATE_CHECK(write_all_at(file_->get(), written_, ByteView(buffer_).first(buffered_)));
    written_ += buffered_;
    buffered_ = 0;
    return {};
}

}  // namespace casemate::image
