// The spool: an unnamed temporary file that keeps what was decompressed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "image/content.hpp"

namespace casemate::image {

// open_unnamed makes an empty file without a name in directory, or in $TMPDIR or /tmp when that is
// empty. Errors: Errno.
[[nodiscard]] Result<UniqueFd> open_unnamed(const std::string& directory);

// Spool appends to an unnamed file, which is gone when the last Content of it is. Contents can be
// read once flush has been called.
class Spool {
public:
    // create makes the file in directory, or in $TMPDIR or /tmp when that is empty. Errors: Errno.
    [[nodiscard]] static Result<Spool> create(const std::string& directory);

    // room views at least one byte of buffer to fill; filled appends what was put there.
    [[nodiscard]] Result<MutableBytes> room();
    void filled(std::size_t size) { buffered_ += size; }
    // append_zeros appends a hole.
    [[nodiscard]] Result<> append_zeros(std::uint64_t size);
    [[nodiscard]] Result<> flush();

    [[nodiscard]] const std::shared_ptr<const UniqueFd>& file() const { return file_; }

    // position: the offset of the next byte. content: the bytes from offset to there.
    [[nodiscard]] std::uint64_t position() const { return written_ + buffered_; }
    [[nodiscard]] Content content_from(std::uint64_t offset) const {
        return {file_, offset, position() - offset};
    }

private:
    explicit Spool(std::shared_ptr<const UniqueFd> file);

    std::shared_ptr<const UniqueFd> file_;
    std::vector<std::uint8_t> buffer_;
    std::size_t buffered_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace casemate::image
