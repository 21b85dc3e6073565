// tar archives as layers and image archives come in: ustar, pax (POSIX.1-2001) and GNU's long
// names, binary numbers and sparse files. Names are given byte for byte: unlike libarchive's reader
// this one neither depends on the locale nor normalizes Unicode, so that one archive is one image
// everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "image/error.hpp"
#include "image/stream.hpp"

namespace casemate::image {

enum class TarKind : std::uint8_t {
    file,
    hard_link,
    symlink,
    character,
    block,
    directory,
    fifo,
};

// TarSegment: size stored bytes of a file, which belong at offset.
struct TarSegment {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

// TarEntry: one entry with its extension headers applied. Nothing is interpreted: names can be
// absolute, climb out or be too long for Linux.
struct TarEntry {
    TarKind kind = TarKind::file;
    std::string name;
    // link: the target of a hard link or symlink.
    std::string link;
    std::uint32_t permissions = 0;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    // modified: the time of the last change, in whole seconds since 1970.
    std::int64_t modified = 0;
    // size of a file in bytes, its holes included; stored_size is what the archive has of it.
    std::uint64_t size = 0;
    std::uint64_t stored_size = 0;
    // segments: where the stored bytes belong, ascending, when the file is sparse.
    bool sparse = false;
    std::vector<TarSegment> segments;
    // Extended attributes (access control lists included), and file capabilities among them.
    bool has_attributes = false;
    bool has_capabilities = false;
};

// TarReader reads entries from a stream, which must outlive it.
class TarReader {
public:
    explicit TarReader(Stream& stream) : stream_(&stream) {}

    // next skips what is left of the entry before and gives the next, or nothing at the end of the
    // archive, which is a block of zeros. Errors: those of the stream; ImageErrc malformed,
    // truncated, bad_name (longer than kMaxTarName), unsupported (a kind of entry that no image
    // has).
    [[nodiscard]] Result<std::optional<TarEntry>> next();

    // read gives stored bytes of the entry; 0 when all are read. position is the offset in the
    // stream of the next of them, and data_left how many there are.
    [[nodiscard]] Result<std::size_t> read(MutableBytes out);
    [[nodiscard]] std::uint64_t position() const { return position_; }
    [[nodiscard]] std::uint64_t data_left() const { return data_left_; }

private:
    using Block = std::array<std::uint8_t, 512>;
    struct Extensions;

    [[nodiscard]] Result<> read_block(Block& block, const std::string& what);
    [[nodiscard]] Result<> finish_entry();
    [[nodiscard]] Result<std::string> read_text(std::uint64_t size, std::uint64_t limit,
                                                std::string_view what);
    [[nodiscard]] Result<bool> read_extension(char type, std::uint64_t size, Extensions& all);
    [[nodiscard]] static Result<TarEntry> parse_header(const Block& block, std::uint64_t size,
                                                       const Extensions& extensions);
    [[nodiscard]] Result<TarEntry> make_entry(const Block& block, std::uint64_t size,
                                              const Extensions& extensions);
    [[nodiscard]] Result<> read_old_sparse(const Block& block, TarEntry& entry);
    [[nodiscard]] Result<> read_pax_sparse(const Extensions& extensions, TarEntry& entry);
    [[nodiscard]] Result<std::vector<std::uint64_t>> read_sparse_map_from_data();

    Stream* stream_;
    std::uint64_t position_ = 0;
    std::uint64_t data_left_ = 0;
    std::uint64_t padding_ = 0;
    bool ended_ = false;
};

// kMaxTarName: names and links beyond this are refused before they are read.
inline constexpr std::uint64_t kMaxTarName = 4096;

}  // namespace casemate::image
