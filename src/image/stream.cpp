#include "image/stream.hpp"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <vector>

namespace casemate::image {

namespace {

constexpr std::size_t kBufferSize = 256U << 10U;
// What a zstd stream may ask for as its window: 128 MiB, the format's recommended upper limit.
constexpr int kMaxWindowLog = 27;

Error ended_early(const std::string& what, std::uint64_t missing) {
    return {ImageErrc::truncated,
            "expected " + std::to_string(missing) + " more bytes of " + what + ", found the end"};
}

// FileStream reads a part of a file through a buffer; skipping moves the offset only.
class FileStream final : public Stream {
public:
    explicit FileStream(Content content) : content_(std::move(content)), buffer_(kBufferSize) {}

    Result<std::size_t> read(MutableBytes out) override {
        if (begin_ == end_ && out.size() < buffer_.size()) {
            CASEMATE_CHECK(refill());
        }
        if (begin_ == end_) {
            return read_directly(out);
        }
        const std::size_t size = std::min(out.size(), end_ - begin_);
        std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), size, out.begin());
        begin_ += size;
        return size;
    }

    Result<> skip(std::uint64_t size) override {
        const std::uint64_t buffered = std::min<std::uint64_t>(size, end_ - begin_);
        begin_ += static_cast<std::size_t>(buffered);
        const std::uint64_t left = size - buffered;
        if (left > content_.size - read_) {
            return ended_early("the file", left - (content_.size - read_));
        }
        read_ += left;
        return {};
    }

    [[nodiscard]] std::uint64_t consumed() const override { return read_ - (end_ - begin_); }

    // buffered views what is in the buffer, after refilling an empty one; consume takes from it.
    Result<ByteView> buffered() {
        if (begin_ == end_) {
            CASEMATE_CHECK(refill());
        }
        return ByteView(buffer_).subspan(begin_, end_ - begin_);
    }
    void consume(std::size_t size) { begin_ += size; }

private:
    Result<> refill() {
        begin_ = 0;
        end_ = 0;
        const MutableBytes all(buffer_);
        CASEMATE_TRY(end_, read_directly(all));
        return {};
    }

    Result<std::size_t> read_directly(MutableBytes out) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), content_.size - read_));
        CASEMATE_CHECK(
            read_exactly_at(content_.file->get(), content_.offset + read_, out.first(size)));
        read_ += size;
        return size;
    }

    Content content_;
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t read_ = 0;
};

// Decompressor is what gzip and zstd streams share: skipping is reading.
class Decompressor : public Stream {
public:
    explicit Decompressor(Content content) : input_(std::move(content)) {}

    Result<> skip(std::uint64_t size) override {
        std::array<std::uint8_t, 64U << 10U> unused{};
        while (size > 0) {
            const auto want =
                static_cast<std::size_t>(std::min<std::uint64_t>(unused.size(), size));
            CASEMATE_TRY(const std::size_t got, read(MutableBytes(unused).first(want)));
            if (got == 0) {
                return ended_early("a compressed stream", size);
            }
            size -= got;
        }
        return {};
    }

    [[nodiscard]] std::uint64_t consumed() const override { return input_.consumed(); }

protected:
    FileStream& input() { return input_; }

private:
    FileStream input_;
};

// GzipStream reads RFC 1952: one member after the other; the library checks each CRC and length.
class GzipStream final : public Decompressor {
public:
    explicit GzipStream(Content content) : Decompressor(std::move(content)) {
        ::isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }

    static Result<> open() { return {}; }

    Result<std::size_t> read(MutableBytes out) override {
        state_->next_out = out.data();
        state_->avail_out =
            static_cast<std::uint32_t>(std::min<std::size_t>(out.size(), 1U << 30U));
        const std::uint32_t wanted = state_->avail_out;
        while (wanted != 0 && state_->avail_out == wanted) {
            CASEMATE_TRY(const ByteView bytes, input().buffered());
            if (bytes.empty() && between_members_) {
                break;
            }
            // Without input, too: the library may hold output back.
            CASEMATE_CHECK(step(bytes));
            if (bytes.empty() && state_->avail_out == wanted && !between_members_) {
                return Error(ImageErrc::truncated,
                             "expected more of a gzip stream, found the end of the file");
            }
        }
        return static_cast<std::size_t>(wanted - state_->avail_out);
    }

private:
    Result<> step(ByteView bytes) {
        state_->next_in = const_cast<std::uint8_t*>(bytes.data());
        state_->avail_in = static_cast<std::uint32_t>(bytes.size());
        between_members_ = false;
        const int status = ::isal_inflate(state_.get());
        input().consume(bytes.size() - state_->avail_in);
        if (status != ISAL_DECOMP_OK) {
            return Error(ImageErrc::malformed, "expected a gzip stream, found " + reason(status));
        }
        if (state_->block_state == ISAL_BLOCK_FINISH) {
            between_members_ = true;
            ::isal_inflate_reset(state_.get());
        }
        return {};
    }

    static std::string reason(int status) {
        switch (status) {
            case ISAL_INVALID_WRAPPER:
                return "another header";
            case ISAL_UNSUPPORTED_METHOD:
                return "another method of compression";
            case ISAL_INCORRECT_CHECKSUM:
                return "data with another checksum";
            default:
                return "data that can't be decompressed";
        }
    }

    std::unique_ptr<inflate_state> state_ = std::make_unique<inflate_state>();
    bool between_members_ = false;
};

// ZstdStream reads RFC 8878: one frame after the other; the library checks checksums.
class ZstdStream final : public Decompressor {
public:
    explicit ZstdStream(Content content) : Decompressor(std::move(content)) {}

    Result<> open() {
        context_.reset(::ZSTD_createDCtx());
        if (context_ == nullptr || ::ZSTD_isError(::ZSTD_DCtx_setParameter(
                                       context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)) != 0) {
            return Error(ImageErrc::too_large, "no memory to decompress zstd");
        }
        return {};
    }

    Result<std::size_t> read(MutableBytes out) override {
        ZSTD_outBuffer to{out.data(), out.size(), 0};
        while (to.pos == 0 && !out.empty()) {
            CASEMATE_TRY(const ByteView bytes, input().buffered());
            if (bytes.empty() && between_frames_) {
                return std::size_t{0};
            }
            ZSTD_inBuffer from{bytes.data(), bytes.size(), 0};
            const std::size_t status = ::ZSTD_decompressStream(context_.get(), &to, &from);
            if (::ZSTD_isError(status) != 0) {
                return Error(ImageErrc::malformed, "expected a zstd stream, found " +
                                                       std::string(::ZSTD_getErrorName(status)));
            }
            input().consume(from.pos);
            between_frames_ = status == 0;
            if (bytes.empty() && to.pos == 0) {
                return Error(ImageErrc::truncated,
                             "expected more of a zstd stream, found the end of the file");
            }
        }
        return to.pos;
    }

private:
    struct FreeContext {
        void operator()(ZSTD_DCtx* context) const { ::ZSTD_freeDCtx(context); }
    };
    std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
    bool between_frames_ = false;
};

template <class T>
Result<std::unique_ptr<Stream>> opened(const Content& content) {
    auto stream = std::make_unique<T>(content);
    CASEMATE_CHECK(stream->open());
    return std::unique_ptr<Stream>(std::move(stream));
}

}  // namespace

Result<> Stream::read_exactly(MutableBytes out, const std::string& what) {
    while (!out.empty()) {
        CASEMATE_TRY(const std::size_t got, read(out));
        if (got == 0) {
            return ended_early(what, out.size());
        }
        out = out.subspan(got);
    }
    return {};
}

Result<Compression> detect(const Content& content) {
    std::array<std::uint8_t, 4> magic{};
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(magic.size(), content.size));
    CASEMATE_CHECK(
        read_exactly_at(content.file->get(), content.offset, MutableBytes(magic).first(size)));
    if (magic[0] == 0x1f && magic[1] == 0x8b) {
        return Compression::gzip;
    }
    // A zstd frame, or one of the skippable frames that may come first.
    const bool frame = magic == std::array<std::uint8_t, 4>{0x28, 0xb5, 0x2f, 0xfd};
    const bool skippable =
        (magic[0] & 0xf0U) == 0x50 && magic[1] == 0x2a && magic[2] == 0x4d && magic[3] == 0x18;
    return frame || skippable ? Compression::zstd : Compression::none;
}

Result<std::unique_ptr<Stream>> open_stream(const Content& content, Compression compression) {
    switch (compression) {
        case Compression::gzip:
            return opened<GzipStream>(content);
        case Compression::zstd:
            return opened<ZstdStream>(content);
        case Compression::none:
            break;
    }
    return std::unique_ptr<Stream>(std::make_unique<FileStream>(content));
}

}  // namespace casemate::image
