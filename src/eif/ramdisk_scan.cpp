#include "eif/ramdisk_scan.hpp"

// zlib then promises not to write to its input.
#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

namespace casemate::eif {

namespace {

// cpio's newc: the magic and thirteen numbers of eight hexadecimal digits (Linux
// Documentation/driver-api/early-userspace/buffer-format.rst).
constexpr std::size_t kHeaderSize = 110;
constexpr std::size_t kMagicSize = 6;
constexpr std::size_t kDigits = 8;
constexpr std::size_t kModeField = 1;
constexpr std::size_t kSizeField = 6;
constexpr std::size_t kNameField = 11;
constexpr std::uint64_t kMaxName = 4096;
constexpr std::string_view kTrailer = "TRAILER!!!";

// Gzip can hold 1032 times its own size; a look into it should not take hours.
constexpr std::uint64_t kMaxLook = 4ULL << 30U;
constexpr std::size_t kInflateBuffer = 256UL << 10U;
// zlib counts in 32 bits.
constexpr std::size_t kMaxPiece = 1UL << 30U;

struct Compression {
    std::string_view mark;
    std::string_view name;
};
// Linux lib/decompress.c.
constexpr std::array<Compression, 8> kCompressions{{{"\x1f\x8b", "gzip"},
                                                    {"\x1f\x9e", "gzip"},
                                                    {"BZh", "bzip2"},
                                                    {"\x5d", "lzma"},
                                                    {"\xfd\x37zXZ", "xz"},
                                                    {"\x89LZO", "lzo"},
                                                    {"\x02\x21\x4c\x18", "lz4"},
                                                    {"\x28\xb5\x2f\xfd", "zstd"}}};

std::string_view without_root(std::string_view path) {
    while (path.starts_with("./") || path.starts_with("/")) {
        path.remove_prefix(path.starts_with("/") ? 1 : 2);
    }
    return path;
}

}  // namespace

struct RamdiskScan::State {
    // between: an archive has ended, or none has begun.
    enum class Step : std::uint8_t { between, header, name, content };

    struct Stream {
        Step step = Step::between;
        // offset in the stream: archives are aligned to it.
        std::uint64_t offset = 0;
        // left: bytes of the step that are to be passed over or collected.
        std::uint64_t left = 0;
        std::string collected;
        std::uint32_t mode = 0;
        std::uint64_t content = 0;
    };

    explicit State(std::string_view path) : init(without_root(path)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { end_inflating(); }

    std::string init;
    Found found;
    Stream plain;
    Stream inflated;
    // skipping: the rest of this ramdisk is compressed in a way that is not looked into.
    bool skipping = false;
    bool inflating = false;
    z_stream zlib{};
    std::uint64_t inflated_bytes = 0;
    // out is room for what was inflated.
    Bytes out;
    // carry: the beginning of a compression's mark that the last piece ended in.
    Bytes carry;

    Ramdisk& ramdisk() { return found.ramdisks.back(); }

    void fault(std::string sentence) {
        if (!found.fault) {
            found.fault =
                "ramdisk " + std::to_string(found.ramdisks.size() - 1) + ": " + std::move(sentence);
        }
        end_inflating();
    }

    void end_inflating() {
        if (std::exchange(inflating, false)) {
            ::inflateEnd(&zlib);
        }
    }

    void feed(ByteView bytes);
    // step_on takes some bytes of a stream; the rest comes back.
    ByteView step_on(Stream& stream, ByteView bytes);
    ByteView begin_something(Stream& stream, ByteView bytes);
    ByteView inflate_some(ByteView bytes);
    void inflate_entries(ByteView bytes);
    void end_header(Stream& stream);
    void end_name(Stream& stream);
    void begin_step(Stream& stream, Step step, std::uint64_t size);
};

void RamdiskScan::State::begin_step(Stream& stream, Step step, std::uint64_t size) {
    stream.step = step;
    stream.left = size;
    stream.collected.clear();
}

ByteView RamdiskScan::State::begin_something(Stream& stream, ByteView bytes) {
    const std::string_view text = as_text(bytes);
    if (bytes[0] == 0) {
        const auto zeros = static_cast<std::size_t>(
            std::find_if(bytes.begin(), bytes.end(), [](auto byte) { return byte != 0; }) -
            bytes.begin());
        stream.offset += zeros;
        return bytes.subspan(zeros);
    }
    if (bytes[0] == '0' && stream.offset % 4 == 0) {
        if (ramdisk().format.empty()) {
            ramdisk().format = "cpio";
        }
        begin_step(stream, Step::header, kHeaderSize);
        return bytes;
    }
    if (bytes[0] == '0') {
        fault("expected an archive at a multiple of four bytes, found one at " +
              std::to_string(stream.offset) + " of all ramdisks");
        return {};
    }
    const auto* const known =
        std::find_if(kCompressions.begin(), kCompressions.end(),
                     [&](const Compression& one) { return text.starts_with(one.mark); });
    const bool cut =
        known == kCompressions.end() && &stream == &plain &&
        std::any_of(kCompressions.begin(), kCompressions.end(),
                    [&](const Compression& one) { return one.mark.starts_with(text); });
    if (cut) {
        carry.assign(bytes.begin(), bytes.end());
        return {};
    }
    if (known == kCompressions.end() || &stream == &inflated) {
        fault("expected a cpio archive (newc) or a compressed one, found neither");
        return {};
    }
    if (ramdisk().format.empty()) {
        ramdisk().format = known->name;
    }
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    zlib = {};
    if (known->name == "gzip" && ::inflateInit2(&zlib, kGzipOnly) == Z_OK) {
        inflating = true;
        inflated = {};
        return bytes;
    }
    found.closed = true;
    skipping = true;
    return bytes;
}

void RamdiskScan::State::end_header(Stream& stream) {
    const std::string_view header = stream.collected;
    const auto field = [&](std::size_t index) -> std::optional<std::uint32_t> {
        const std::string_view text = header.substr(kMagicSize + index * kDigits, kDigits);
        std::uint32_t value = 0;
        const auto [end, problem] =
            std::from_chars(text.data(), text.data() + text.size(), value, 16);
        return problem == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                          : std::nullopt;
    };
    const auto mode = field(kModeField);
    const auto size = field(kSizeField);
    const auto name = field(kNameField);
    const bool magic = header.starts_with("070701") || header.starts_with("070702");
    if (!magic || !mode || !size || !name || *name == 0 || *name > kMaxName) {
        fault("expected the header of a cpio entry (newc), found something else at " +
              std::to_string(stream.offset - kHeaderSize));
        return;
    }
    stream.mode = *mode;
    stream.content = *size;
    begin_step(stream, Step::name, *name);
    ++ramdisk().entries;
}

void RamdiskScan::State::end_name(Stream& stream) {
    std::string_view name = stream.collected;
    name = without_root(name.substr(0, name.find('\0')));
    const std::uint64_t before_content = (4 - stream.offset % 4) % 4;
    if (name == kTrailer) {
        --ramdisk().entries;
        begin_step(stream, Step::between, 0);
        return;
    }
    if (name == init) {
        found.init_mode = stream.mode;
        found.init_ramdisk = found.ramdisks.size() - 1;
    }
    found.nsm_module = found.nsm_module || name == "nsm.ko";
    const std::uint64_t after = (4 - stream.content % 4) % 4;
    begin_step(stream, Step::content, before_content + stream.content + after);
    if (stream.left == 0) {
        begin_step(stream, Step::header, kHeaderSize);
    }
}

ByteView RamdiskScan::State::step_on(Stream& stream, ByteView bytes) {
    if (stream.step == Step::between) {
        return begin_something(stream, bytes);
    }
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(stream.left, bytes.size()));
    if (stream.step != Step::content) {
        stream.collected += as_text(bytes.first(size));
    }
    stream.left -= size;
    stream.offset += size;
    if (stream.left == 0) {
        switch (stream.step) {
            case Step::header:
                end_header(stream);
                break;
            case Step::name:
                end_name(stream);
                break;
            case Step::content:
                begin_step(stream, Step::header, kHeaderSize);
                break;
            case Step::between:
                break;
        }
    }
    return bytes.subspan(size);
}

void RamdiskScan::State::inflate_entries(ByteView bytes) {
    while (!bytes.empty() && !found.fault) {
        bytes = step_on(inflated, bytes);
    }
}

ByteView RamdiskScan::State::inflate_some(ByteView bytes) {
    out.resize(kInflateBuffer);
    const std::size_t size = std::min(bytes.size(), kMaxPiece);
    zlib.next_in = bytes.data();
    zlib.avail_in = static_cast<uInt>(size);
    int outcome = Z_OK;
    do {
        zlib.next_out = out.data();
        zlib.avail_out = static_cast<uInt>(out.size());
        outcome = ::inflate(&zlib, Z_NO_FLUSH);
        const std::size_t made = out.size() - zlib.avail_out;
        inflated_bytes += made;
        inflate_entries(ByteView(out).first(made));
        if (found.fault) {
            return {};
        }
        if (outcome != Z_OK && outcome != Z_STREAM_END && outcome != Z_BUF_ERROR) {
            fault("expected gzip, found damage in it");
            return {};
        }
        if (inflated_bytes > kMaxLook) {
            found.closed = true;
            skipping = true;
            end_inflating();
            return bytes;
        }
    } while (outcome == Z_OK && (zlib.avail_in != 0 || zlib.avail_out == 0));
    const std::size_t taken = size - zlib.avail_in;
    plain.offset += taken;
    if (outcome == Z_STREAM_END) {
        end_inflating();
        if (inflated.step != Step::between) {
            fault("expected the trailer of a cpio archive, found the end of its gzip");
        }
    }
    return bytes.subspan(taken);
}

void RamdiskScan::State::feed(ByteView bytes) {
    Bytes joined = std::exchange(carry, {});
    if (!joined.empty()) {
        joined.insert(joined.end(), bytes.begin(), bytes.end());
        bytes = joined;
    }
    while (!bytes.empty() && !found.fault && !skipping) {
        bytes = inflating ? inflate_some(bytes) : step_on(plain, bytes);
    }
    if (skipping) {
        plain.offset += bytes.size();
    }
}

RamdiskScan::RamdiskScan(std::string_view first_process)
    : state_(std::make_unique<State>(first_process)) {
}
RamdiskScan::RamdiskScan(RamdiskScan&&) noexcept = default;
RamdiskScan& RamdiskScan::operator=(RamdiskScan&&) noexcept = default;
RamdiskScan::~RamdiskScan() = default;

void RamdiskScan::begin() {
    state_->found.ramdisks.emplace_back();
    state_->skipping = false;
}

void RamdiskScan::feed(ByteView bytes) {
    state_->feed(bytes);
}

RamdiskScan::Found RamdiskScan::finish() {
    State& state = *state_;
    if (!state.found.ramdisks.empty() && !state.skipping && !state.found.fault) {
        if (state.inflating) {
            state.fault("expected the end of gzip, found the end of the ramdisks");
        } else if (state.plain.step != State::Step::between || !state.carry.empty()) {
            state.fault("expected the trailer of a cpio archive, found the end of the ramdisks");
        }
    }
    return std::move(state.found);
}

}  // namespace casemate::eif
