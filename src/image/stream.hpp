// Streams: forward-only bytes, from a part of a file or decompressed from one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "image/content.hpp"
#include "image/error.hpp"

namespace casemate::image {

class Stream {
public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    virtual ~Stream() = default;

    // read fills at least one byte of out, unless the stream has ended: then it gives 0. Errors:
    // Errno; ImageErrc malformed or truncated for what can't be decompressed.
    [[nodiscard]] virtual Result<std::size_t> read(MutableBytes out) = 0;
    // skip passes over size bytes; ImageErrc truncated when there are fewer.
    [[nodiscard]] virtual Result<> skip(std::uint64_t size) = 0;
    // consumed: how much of the file has been used so far, in bytes, compressed as it may be.
    [[nodiscard]] virtual std::uint64_t consumed() const = 0;

    // read_exactly: ImageErrc truncated when the stream ends within out; what names the bytes.
    [[nodiscard]] Result<> read_exactly(MutableBytes out, const std::string& what);
};

enum class Compression : std::uint8_t { none, gzip, zstd };

// detect tells the compression by the first bytes.
[[nodiscard]] Result<Compression> detect(const Content& content);

// open_stream streams the content, decompressed.
[[nodiscard]] Result<std::unique_ptr<Stream>> open_stream(const Content& content,
                                                          Compression compression);

}  // namespace casemate::image
