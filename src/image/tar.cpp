#include "image/tar.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::uint64_t kBlockSize = 512;
// One extension header holds names and attributes: Linux allows 64 KiB of an attribute.
constexpr std::uint64_t kMaxExtension = 1U << 20U;
constexpr std::size_t kMaxSegments = 1U << 18U;

// Where the fields are (POSIX.1-2001 pax, "ustar Interchange Format"; GNU tar "tar.h").
struct Field {
    std::size_t offset;
    std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kUid{108, 8};
constexpr Field kGid{116, 8};
constexpr Field kSize{124, 12};
constexpr Field kModified{136, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kLink{157, 100};
constexpr Field kMagic{257, 6};
constexpr Field kMajor{329, 8};
constexpr Field kMinor{337, 8};
constexpr Field kPrefix{345, 155};
constexpr Field kSparse{386, 96};
constexpr std::size_t kSparseIsExtended = 482;
constexpr Field kSparseRealSize{483, 12};
constexpr Field kMoreSparse{0, 504};
constexpr std::size_t kMoreSparseIsExtended = 504;

constexpr std::string_view kPosixMagic("ustar\0", 6);

ByteView field_of(ByteView block, Field field) {
    return block.subspan(field.offset, field.size);
}

// Text of a field ends at the first NUL or with the field.
std::string text_of(ByteView block, Field field) {
    const std::string_view text = as_text(field_of(block, field));
    return std::string(text.substr(0, text.find('\0')));
}

Error malformed(const std::string& expected, std::string_view found) {
    return {ImageErrc::malformed,
            "expected " + expected + " in a tar archive, found '" + printable(found) + "'"};
}

std::optional<std::uint64_t> parse_binary(ByteView field) {
    std::uint64_t value = field[0] & 0x7fU;
    // The sign bit: nothing counted here is negative.
    if ((value & 0x40U) != 0) {
        return std::nullopt;
    }
    for (const std::uint8_t byte : field.subspan(1)) {
        if (value > std::numeric_limits<std::uint64_t>::max() >> 8U) {
            return std::nullopt;
        }
        value = (value << 8U) | byte;
    }
    return value;
}

// Octal digits with spaces before and spaces or NULs behind, or GNU's binary numbers.
std::optional<std::uint64_t> parse_number(ByteView field) {
    if ((field[0] & 0x80U) != 0) {
        return parse_binary(field);
    }
    std::string_view text = as_text(field);
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    const std::string_view padding(" \0", 2);
    const std::string_view digits = text.substr(0, text.find_first_of(padding));
    if (text.find_first_not_of(padding, digits.size()) != std::string_view::npos) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    if (digits.empty()) {
        return value;
    }
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    if (error != std::errc() || end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    return value;
}

Result<std::uint64_t> number_of(ByteView block, Field field, const std::string& what) {
    const auto value = parse_number(field_of(block, field));
    if (!value) {
        return malformed("a number as " + what, as_text(field_of(block, field)));
    }
    return *value;
}

Result<std::uint32_t> small_number_of(ByteView block, Field field, const std::string& what) {
    CASEMATE_TRY(const std::uint64_t value, number_of(block, field, what));
    if (value > std::numeric_limits<std::uint32_t>::max()) {
        return malformed("a number of 32 bits as " + what, std::to_string(value));
    }
    return static_cast<std::uint32_t>(value);
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

Result<> check_checksum(ByteView block) {
    std::uint64_t sum = 0;
    std::int64_t signed_sum = 0;
    for (std::size_t i = 0; i < block.size(); ++i) {
        const bool in_checksum = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
        const std::uint8_t byte = in_checksum ? std::uint8_t{' '} : block[i];
        sum += byte;
        signed_sum += static_cast<std::int8_t>(byte);
    }
    const auto expected = parse_number(field_of(block, kChecksum));
    // Some old writers summed signed characters.
    if (!expected || (*expected != sum && static_cast<std::int64_t>(*expected) != signed_sum)) {
        return malformed("the header's checksum " + std::to_string(sum),
                         as_text(field_of(block, kChecksum)));
    }
    return {};
}

// A time before 1970, or one that can't be read, is as good as none.
std::int64_t time_of(ByteView block) {
    const auto value = parse_number(field_of(block, kModified));
    return value && *value <= std::numeric_limits<std::uint32_t>::max()
               ? static_cast<std::int64_t>(*value)
               : 0;
}

// pax times are decimal, with or without a fraction and a sign. Whole seconds, rounded down.
std::optional<std::int64_t> parse_time(std::string_view text) {
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || (end != text.data() + text.size() && *end != '.')) {
        return std::nullopt;
    }
    return seconds;
}

std::uint64_t padding_of(std::uint64_t size) {
    return (kBlockSize - size % kBlockSize) % kBlockSize;
}

Result<TarKind> kind_of(char type, std::string_view name) {
    switch (type) {
        case '\0':
            // The oldest format has no directories but by a slash.
            return name.ends_with('/') ? TarKind::directory : TarKind::file;
        case '0':
        case '7':
        case 'S':
            return TarKind::file;
        case '1':
            return TarKind::hard_link;
        case '2':
            return TarKind::symlink;
        case '3':
            return TarKind::character;
        case '4':
            return TarKind::block;
        case '5':
            return TarKind::directory;
        case '6':
            return TarKind::fifo;
        default:
            return Error(ImageErrc::unsupported,
                         "expected a file, directory, link, device or FIFO in a tar archive, "
                         "found '" +
                             printable(name) + "' of type '" +
                             printable(std::string_view(&type, 1)) + "'");
    }
}

// Segments must ascend, fit into the file and account for every stored byte.
Result<> set_segments(TarEntry& entry, const std::vector<std::uint64_t>& numbers) {
    entry.sparse = true;
    std::uint64_t end = 0;
    std::uint64_t stored = 0;
    for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) {
        const auto segment_end = checked_add(numbers[i], numbers[i + 1]);
        if (numbers[i] < end || !segment_end || *segment_end > entry.size) {
            return malformed("ascending segments within a sparse file's " +
                                 std::to_string(entry.size) + " bytes",
                             std::to_string(numbers[i]) + "+" + std::to_string(numbers[i + 1]));
        }
        end = *segment_end;
        stored += numbers[i + 1];
        entry.segments.push_back({numbers[i], numbers[i + 1]});
    }
    if (numbers.size() % 2 != 0 || stored != entry.stored_size) {
        return malformed("segments of all " + std::to_string(entry.stored_size) +
                             " stored bytes of a sparse file",
                         std::to_string(stored));
    }
    return {};
}

Result<std::vector<std::uint64_t>> parse_list(std::string_view text) {
    std::vector<std::uint64_t> numbers;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const auto value = parse_decimal(text.substr(0, comma));
        if (!value || numbers.size() >= 2 * kMaxSegments) {
            return malformed("a list of numbers as a sparse file's map", text);
        }
        numbers.push_back(*value);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return numbers;
}

}  // namespace

// Extensions: what extension headers say about the entry behind them.
struct TarReader::Extensions {
    std::map<std::string, std::string, std::less<>> pax;
    // sparse_map collects GNU.sparse.offset and numbytes, which come many times (format 0.0).
    std::string sparse_map;
    std::optional<std::string> long_name;
    std::optional<std::string> long_link;
    bool any = false;
    bool attributes = false;
    bool capabilities = false;

    [[nodiscard]] const std::string* find(std::string_view key) const {
        const auto found = pax.find(key);
        return found == pax.end() || found->second.empty() ? nullptr : &found->second;
    }
    [[nodiscard]] Result<> number(std::string_view key, std::uint64_t max,
                                  std::uint64_t& out) const;
    [[nodiscard]] Result<> parse(std::string_view records, bool global);
    [[nodiscard]] Result<> set(std::string_view key, std::string_view value, bool global);
    [[nodiscard]] Result<> apply(TarEntry& entry) const;
};

// number leaves out alone when the key is not there.
Result<> TarReader::Extensions::number(std::string_view key, std::uint64_t max,
                                       std::uint64_t& out) const {
    const std::string* text = find(key);
    if (text == nullptr) {
        return {};
    }
    const auto value = parse_decimal(*text);
    if (!value || *value > max) {
        return malformed("a number up to " + std::to_string(max) + " as " + std::string(key),
                         *text);
    }
    out = *value;
    return {};
}

Result<> TarReader::Extensions::set(std::string_view key, std::string_view value, bool global) {
    const bool changes_entries = key == "path" || key == "linkpath" || key == "size" ||
                                 key == "uid" || key == "gid" || key == "mtime" ||
                                 key.starts_with("GNU.sparse.");
    if (global) {
        // Comments come this way (git archive); nobody gives all entries one name or owner.
        return changes_entries && key != "mtime"
                   ? malformed("no global value of an entry's own field", key)
                   : Result<>();
    }
    if (key.starts_with("SCHILY.xattr.") || key.starts_with("LIBARCHIVE.xattr.") ||
        key.starts_with("SCHILY.acl.")) {
        attributes = true;
        capabilities = capabilities || key.ends_with("security.capability");
    } else if (key == "GNU.sparse.offset" || key == "GNU.sparse.numbytes") {
        sparse_map += std::string(sparse_map.empty() ? "" : ",") + std::string(value);
    } else if (changes_entries) {
        pax[std::string(key)] = value;
    }
    return {};
}

// Records are "LENGTH KEY=VALUE\n", the length that of the whole record.
Result<> TarReader::Extensions::parse(std::string_view records, bool global) {
    while (!records.empty()) {
        const std::size_t space = std::min(records.find(' '), records.size());
        const auto length = parse_decimal(records.substr(0, space));
        if (!length || *length > records.size() || *length < space + 2 ||
            records[*length - 1] != '\n') {
            return malformed("a pax record that says its own length", records);
        }
        const std::string_view record = records.substr(space + 1, *length - space - 2);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return malformed("KEY=VALUE in a pax record", record);
        }
        CASEMATE_CHECK(set(record.substr(0, equals), record.substr(equals + 1), global));
        records.remove_prefix(*length);
    }
    return {};
}

Result<> TarReader::Extensions::apply(TarEntry& entry) const {
    entry.name = long_name.value_or(entry.name);
    entry.link = long_link.value_or(entry.link);
    if (const std::string* path = find("path"); path != nullptr) {
        entry.name = *path;
    }
    if (const std::string* path = find("GNU.sparse.name"); path != nullptr) {
        entry.name = *path;
    }
    if (const std::string* path = find("linkpath"); path != nullptr) {
        entry.link = *path;
    }
    for (const std::string* text : {&entry.name, &entry.link}) {
        if (text->size() > kMaxTarName) {
            return Error(ImageErrc::bad_name, "expected a name of at most 4096 bytes, found '" +
                                                  printable(*text) + "' (" +
                                                  std::to_string(text->size()) + " bytes)");
        }
    }
    constexpr std::uint64_t kMaxId = std::numeric_limits<std::uint32_t>::max();
    std::uint64_t uid = entry.uid;
    std::uint64_t gid = entry.gid;
    CASEMATE_CHECK(number("uid", kMaxId, uid));
    CASEMATE_CHECK(number("gid", kMaxId, gid));
    entry.uid = static_cast<std::uint32_t>(uid);
    entry.gid = static_cast<std::uint32_t>(gid);
    if (const std::string* text = find("mtime"); text != nullptr) {
        entry.modified = parse_time(*text).value_or(0);
    }
    entry.has_attributes = attributes;
    entry.has_capabilities = capabilities;
    return number("size", std::numeric_limits<std::int64_t>::max(), entry.stored_size);
}

Result<> TarReader::read_block(Block& block, const std::string& what) {
    CASEMATE_CHECK(stream_->read_exactly(block, what));
    position_ += kBlockSize;
    return {};
}

Result<> TarReader::finish_entry() {
    const std::uint64_t size = data_left_ + padding_;
    CASEMATE_CHECK(stream_->skip(size));
    position_ += size;
    data_left_ = 0;
    padding_ = 0;
    return {};
}

Result<std::string> TarReader::read_text(std::uint64_t size, std::uint64_t limit,
                                         std::string_view what) {
    if (size > limit) {
        return Error(ImageErrc::bad_name, "expected at most " + std::to_string(limit) +
                                              " bytes of " + std::string(what) + ", found " +
                                              std::to_string(size));
    }
    std::string text(static_cast<std::size_t>(size + padding_of(size)), '\0');
    CASEMATE_CHECK(stream_->read_exactly(
        {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}, std::string(what)));
    position_ += text.size();
    text.resize(static_cast<std::size_t>(size));
    return text;
}

Result<bool> TarReader::read_extension(char type, std::uint64_t size, Extensions& all) {
    switch (type) {
        case 'x':
        case 'X':
        case 'g': {
            CASEMATE_TRY(const std::string records, read_text(size, kMaxExtension, "a pax header"));
            CASEMATE_CHECK(all.parse(records, type == 'g'));
            all.any = all.any || type != 'g';
            return true;
        }
        case 'L':
        case 'K': {
            CASEMATE_TRY(std::string text, read_text(size, kMaxTarName + 1, "a long name"));
            text.resize(std::min(text.find('\0'), text.size()));
            (type == 'L' ? all.long_name : all.long_link) = std::move(text);
            all.any = true;
            return true;
        }
        default:
            return false;
    }
}

Result<> TarReader::read_old_sparse(const Block& block, TarEntry& entry) {
    CASEMATE_TRY(entry.size, number_of(block, kSparseRealSize, "a sparse file's size"));
    std::vector<std::uint64_t> numbers;
    const auto collect = [&](ByteView table) -> Result<> {
        for (std::size_t at = 0; at < table.size() && table[at] != 0; at += 12) {
            CASEMATE_TRY(const std::uint64_t number,
                         number_of(table, {at, 12}, "a sparse file's segment"));
            numbers.push_back(number);
        }
        return {};
    };
    CASEMATE_CHECK(collect(field_of(block, kSparse)));
    bool more = block[kSparseIsExtended] != 0;
    while (more) {
        if (numbers.size() > 2 * kMaxSegments) {
            return malformed("at most 262144 segments of a sparse file", "more");
        }
        Block next{};
        CASEMATE_CHECK(read_block(next, "a sparse file's map"));
        CASEMATE_CHECK(collect(field_of(next, kMoreSparse)));
        more = next[kMoreSparseIsExtended] != 0;
    }
    return set_segments(entry, numbers);
}

// Format 1.0 puts the map in front of the data, as lines, padded to a block.
Result<std::vector<std::uint64_t>> TarReader::read_sparse_map_from_data() {
    std::vector<std::uint64_t> numbers;
    std::string line;
    while (numbers.empty() || numbers.size() < 1 + 2 * numbers[0]) {
        Block block{};
        if (data_left_ < kBlockSize) {
            return malformed("a sparse file's map in front of its data",
                             std::to_string(data_left_) + " bytes");
        }
        CASEMATE_CHECK(read_block(block, "a sparse file's map"));
        data_left_ -= kBlockSize;
        for (const char c : as_text(block)) {
            if (c != '\n') {
                line.push_back(c);
                continue;
            }
            const auto value = parse_decimal(line);
            if (!value || (numbers.empty() && *value > kMaxSegments)) {
                return malformed("numbers, a line each, as a sparse file's map", line);
            }
            numbers.push_back(*value);
            line.clear();
            if (numbers.size() == 1 + 2 * numbers[0]) {
                break;
            }
        }
        if (line.size() > kBlockSize) {
            return malformed("numbers, a line each, as a sparse file's map", line);
        }
    }
    numbers.erase(numbers.begin());
    return numbers;
}

Result<> TarReader::read_pax_sparse(const Extensions& extensions, TarEntry& entry) {
    constexpr std::uint64_t kMaxSize = std::numeric_limits<std::int64_t>::max();
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
    CASEMATE_CHECK(extensions.number("GNU.sparse.major", kMaxSize, major));
    CASEMATE_CHECK(extensions.number("GNU.sparse.minor", kMaxSize, minor));
    std::vector<std::uint64_t> numbers;
    if (major == 1 && minor == 0) {
        CASEMATE_CHECK(extensions.number("GNU.sparse.realsize", kMaxSize, entry.size));
        CASEMATE_TRY(numbers, read_sparse_map_from_data());
        entry.stored_size = data_left_;
        return set_segments(entry, numbers);
    }
    const std::string* map = extensions.find("GNU.sparse.map");
    if (map == nullptr && extensions.sparse_map.empty()) {
        return major == 0 ? Result<>()
                          : malformed("sparse format 0.0, 0.1 or 1.0", std::to_string(major));
    }
    CASEMATE_CHECK(extensions.number("GNU.sparse.size", kMaxSize, entry.size));
    CASEMATE_TRY(numbers, parse_list(map != nullptr ? *map : extensions.sparse_map));
    return set_segments(entry, numbers);
}

// parse_header reads the fields of a header, with what the extensions say instead.
Result<TarEntry> TarReader::parse_header(const Block& block, std::uint64_t size,
                                         const Extensions& extensions) {
    TarEntry entry;
    entry.name = text_of(block, kName);
    const std::string prefix = text_of(block, kPrefix);
    if (as_text(field_of(block, kMagic)) == kPosixMagic && !prefix.empty()) {
        entry.name = prefix + "/" + entry.name;
    }
    entry.link = text_of(block, kLink);
    entry.stored_size = size;
    entry.modified = time_of(block);
    CASEMATE_TRY(entry.permissions, small_number_of(block, kMode, "a mode"));
    entry.permissions &= 07777U;
    // A pax header replaces owners that do not fit, so these may be anything then.
    if (extensions.find("uid") == nullptr) {
        CASEMATE_TRY(entry.uid, small_number_of(block, kUid, "a user"));
    }
    if (extensions.find("gid") == nullptr) {
        CASEMATE_TRY(entry.gid, small_number_of(block, kGid, "a group"));
    }
    CASEMATE_CHECK(extensions.apply(entry));
    CASEMATE_TRY(entry.kind, kind_of(static_cast<char>(block[kType]), entry.name));
    if (entry.kind == TarKind::character || entry.kind == TarKind::block) {
        CASEMATE_TRY(entry.major, small_number_of(block, kMajor, "a device"));
        CASEMATE_TRY(entry.minor, small_number_of(block, kMinor, "a device"));
    }
    return entry;
}

Result<TarEntry> TarReader::make_entry(const Block& block, std::uint64_t size,
                                       const Extensions& extensions) {
    CASEMATE_TRY(TarEntry entry, parse_header(block, size, extensions));
    if (entry.kind != TarKind::file) {
        // Nothing but files has data, whatever size says (old writers put a link's target's there).
        entry.stored_size = 0;
        return entry;
    }
    entry.size = entry.stored_size;
    const bool old_sparse = block[kType] == 'S';
    if (old_sparse) {
        CASEMATE_CHECK(read_old_sparse(block, entry));
    }
    data_left_ = entry.stored_size;
    padding_ = padding_of(entry.stored_size);
    if (!old_sparse) {
        CASEMATE_CHECK(read_pax_sparse(extensions, entry));
    }
    return entry;
}

Result<std::optional<TarEntry>> TarReader::next() {
    if (ended_) {
        return std::optional<TarEntry>();
    }
    CASEMATE_CHECK(finish_entry());
    Extensions extensions;
    while (true) {
        Block block{};
        CASEMATE_CHECK(read_block(block, "a tar archive, whose end is a block of zeros,"));
        if (std::all_of(block.begin(), block.end(), [](std::uint8_t b) { return b == 0; })) {
            if (extensions.any) {
                return malformed("an entry behind an extension header", "the end");
            }
            ended_ = true;
            return std::optional<TarEntry>();
        }
        CASEMATE_CHECK(check_checksum(block));
        CASEMATE_TRY(const std::uint64_t size, number_of(block, kSize, "a size"));
        if (size > std::numeric_limits<std::int64_t>::max()) {
            return malformed("a size of 63 bits", std::to_string(size));
        }
        const char type = static_cast<char>(block[kType]);
        CASEMATE_TRY(const bool extension, read_extension(type, size, extensions));
        if (!extension) {
            CASEMATE_TRY(TarEntry entry, make_entry(block, size, extensions));
            return std::optional<TarEntry>(std::move(entry));
        }
    }
}

Result<std::size_t> TarReader::read(MutableBytes out) {
    if (data_left_ == 0) {
        return std::size_t{0};
    }
    const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), data_left_));
    CASEMATE_TRY(const std::size_t got, stream_->read(out.first(want)));
    if (got == 0) {
        return Error(ImageErrc::truncated, "expected " + std::to_string(data_left_) +
                                               " more bytes of a file in a tar archive, found "
                                               "the end");
    }
    position_ += got;
    data_left_ -= got;
    return got;
}

}  // namespace casemate::image
