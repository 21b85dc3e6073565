#include "codec/cpio.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace casemate::codec {

namespace {

constexpr std::string_view kMagic = "070701";
constexpr std::string_view kTrailer = "TRAILER!!!";
constexpr std::size_t kFieldCount = 13;
constexpr std::size_t kFieldDigits = 8;
constexpr std::size_t kHeaderSize = 6 + kFieldCount * kFieldDigits;
constexpr std::uint32_t kPermissions = 07777;
constexpr std::array<std::uint8_t, kCpioAlignment> kZeros{};

// Fields in the order of the header.
enum Field : std::size_t {
    inode,
    mode,
    uid,
    gid,
    links,
    mtime,
    size,
    device_major,
    device_minor,
    special_major,
    special_minor,
    name_size,
    check,
};
using Fields = std::array<std::uint32_t, kFieldCount>;

std::string shortened(std::string_view name) {
    constexpr std::size_t kShown = 80;
    return name.size() <= kShown ? std::string(name) : std::string(name.substr(0, kShown)) + "…";
}

Error bad_name(std::string_view expected, std::string_view name) {
    return {CpioErrc::bad_name, "expected " + std::string(expected) + ", found '" +
                                    shortened(name) + "' (" + std::to_string(name.size()) +
                                    " bytes)"};
}

Result<> check_name(std::string_view name) {
    if (name.empty() || name.size() > kCpioMaxName) {
        return bad_name("a name of 1 to 4095 bytes", name);
    }
    if (name.find('\0') != std::string_view::npos) {
        return bad_name("a name without NUL bytes", name);
    }
    if (name == kTrailer) {
        return bad_name("a name other than the trailer's", name);
    }
    std::size_t begin = 0;
    while (begin <= name.size()) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view component = name.substr(begin, end - begin);
        if (component.empty() || component == "." || component == "..") {
            return bad_name("a relative name without empty, '.' or '..' components", name);
        }
        begin = end + 1;
    }
    return {};
}

Result<> check_permissions(std::string_view name, std::uint32_t permissions) {
    if ((permissions & ~kPermissions) != 0) {
        return Error(CpioErrc::bad_mode, "expected permissions within 07777 for '" +
                                             shortened(name) + "', found " +
                                             std::to_string(permissions));
    }
    return {};
}

std::size_t padding_of(std::uint64_t offset) {
    return static_cast<std::size_t>((kCpioAlignment - offset % kCpioAlignment) % kCpioAlignment);
}

void put_field(std::string& out, std::uint32_t value, bool lower_case) {
    const std::string_view digits = lower_case ? "0123456789abcdef" : "0123456789ABCDEF";
    for (unsigned shift = 32; shift > 0; shift -= 4) {
        out.push_back(digits[(value >> (shift - 4)) & 0xfU]);
    }
}

// The kinds that may have content are files and symlinks.
bool known_kind(std::uint32_t mode_bits) {
    switch (mode_bits & S_IFMT) {
        case S_IFREG:
        case S_IFDIR:
        case S_IFLNK:
        case S_IFCHR:
        case S_IFBLK:
        case S_IFIFO:
        case S_IFSOCK:
            return true;
        default:
            return false;
    }
}

Result<Fields> parse_fields(ByteView digits, std::uint64_t offset) {
    Fields fields{};
    for (std::size_t i = 0; i < kFieldCount; ++i) {
        const auto raw = from_hex(as_text(digits.subspan(i * kFieldDigits, kFieldDigits)));
        if (!raw || !ByteReader(*raw).read_be(fields[i])) {
            return Error(CpioErrc::malformed, "expected 8 hexadecimal digits in field " +
                                                  std::to_string(i) + " of the header at offset " +
                                                  std::to_string(offset) +
                                                  ", found something else");
        }
    }
    return fields;
}

Result<> check_fields(const Fields& fields, std::string_view name) {
    const std::uint32_t mode_bits = fields[Field::mode];
    if (!known_kind(mode_bits) || (mode_bits & ~(S_IFMT | kPermissions)) != 0) {
        return Error(CpioErrc::bad_mode, "expected the mode of a known kind of file for '" +
                                             shortened(name) + "', found " +
                                             std::to_string(mode_bits));
    }
    const bool has_content = S_ISREG(mode_bits) || S_ISLNK(mode_bits);
    if (!has_content && fields[Field::size] != 0) {
        return Error(CpioErrc::malformed, "expected no content for '" + shortened(name) +
                                              "', found " + std::to_string(fields[Field::size]) +
                                              " bytes");
    }
    if (fields[Field::check] != 0) {
        return Error(CpioErrc::malformed, "expected checksum 0 in this format for '" +
                                              shortened(name) + "', found " +
                                              std::to_string(fields[Field::check]));
    }
    if (S_ISLNK(mode_bits) && (fields[Field::size] == 0 || fields[Field::size] > kCpioMaxTarget)) {
        return Error(CpioErrc::malformed, "expected a symlink target of 1 to 4095 bytes for '" +
                                              shortened(name) + "', found " +
                                              std::to_string(fields[Field::size]));
    }
    return {};
}

}  // namespace

std::string_view describe(CpioErrc code) {
    switch (code) {
        case CpioErrc::bad_name:
            return "name that a cpio archive can't hold";
        case CpioErrc::bad_mode:
            return "mode that a cpio archive can't hold";
        case CpioErrc::too_large:
            return "too large for a cpio archive";
        case CpioErrc::wrong_order:
            return "cpio archive written out of order";
        case CpioErrc::malformed:
            return "malformed cpio archive";
        case CpioErrc::truncated:
            return "truncated cpio archive";
    }
    return "cpio error";
}

Result<> CpioWriter::usable() const {
    if (broken_ || finished_) {
        return Error(CpioErrc::wrong_order,
                     finished_ ? "the archive has its trailer already" : "an earlier call failed");
    }
    return {};
}

Result<> CpioWriter::put(ByteView bytes) {
    auto written = sink_(bytes);
    broken_ = !written.ok();
    size_ += bytes.size();
    return written;
}

Result<> CpioWriter::put_padding() {
    const std::size_t padding = padding_of(size_);
    return padding == 0 ? Result<>() : put(ByteView(kZeros).first(padding));
}

Result<std::uint32_t> CpioWriter::take_inode() {
    if (last_inode_ == 0xffff'ffff) {
        return Error(CpioErrc::too_large, "expected at most 4294967295 entries, found more");
    }
    return ++last_inode_;
}

Result<> CpioWriter::put_header(std::string_view name, const Header& header) {
    std::string text(kMagic);
    text.reserve(kHeaderSize + name.size() + 2 * kCpioAlignment);
    for (const std::uint32_t value :
         {header.inode, header.mode, header.owner.uid, header.owner.gid, header.links,
          header.modified, static_cast<std::uint32_t>(header.size), style_.device_major,
          style_.device_minor, header.major, header.minor,
          static_cast<std::uint32_t>(name.size() + 1), 0U}) {
        put_field(text, value, style_.lower_case);
    }
    text.append(name);
    text.push_back('\0');
    text.append(padding_of(size_ + text.size()), '\0');
    return put(as_bytes(text));
}

Result<> CpioWriter::check_entry(std::string_view name, std::uint32_t mode) const {
    const bool slash = style_.directory_slash && S_ISDIR(mode) && name.ends_with('/');
    CASEMATE_CHECK(check_name(slash ? name.substr(0, name.size() - 1) : name));
    if (slash && name.size() > kCpioMaxName) {
        return bad_name("a name of 1 to 4095 bytes", name);
    }
    return check_permissions(name, mode & ~static_cast<std::uint32_t>(S_IFMT));
}

Result<> CpioWriter::add_entry(std::string_view name, Header header) {
    CASEMATE_CHECK(usable());
    if (file_left_ != 0) {
        return Error(CpioErrc::wrong_order, "expected " + std::to_string(file_left_) +
                                                " more bytes of the file before '" +
                                                shortened(name) + "', found a new entry");
    }
    CASEMATE_CHECK(check_entry(name, header.mode));
    header.modified = modified_;
    if (header.size > kCpioMaxFile) {
        return Error(CpioErrc::too_large, "expected at most 4294967295 bytes in '" +
                                              shortened(name) + "', found " +
                                              std::to_string(header.size));
    }
    if (header.inode == 0) {
        CASEMATE_TRY(header.inode, take_inode());
    }
    return put_header(name, header);
}

Result<> CpioWriter::add_directory(std::string_view name, std::uint32_t permissions,
                                   CpioOwner owner) {
    CASEMATE_CHECK(check_permissions(name, permissions));
    Header header;
    header.mode = S_IFDIR | permissions;
    header.owner = owner;
    header.links = 2;
    return add_entry(name, header);
}

Result<> CpioWriter::add_symlink(std::string_view name, std::string_view target, CpioOwner owner,
                                 std::uint32_t permissions) {
    CASEMATE_CHECK(check_permissions(name, permissions));
    if (target.empty() || target.size() > kCpioMaxTarget ||
        target.find('\0') != std::string_view::npos) {
        return bad_name("a symlink target of 1 to 4095 bytes without NUL", target);
    }
    Header header;
    header.mode = S_IFLNK | permissions;
    header.owner = owner;
    header.size = target.size();
    CASEMATE_CHECK(add_entry(name, header));
    CASEMATE_CHECK(put(as_bytes(target)));
    return put_padding();
}

Result<> CpioWriter::add_device(std::string_view name, CpioDevice device, std::uint32_t permissions,
                                std::uint32_t major, std::uint32_t minor, CpioOwner owner) {
    CASEMATE_CHECK(check_permissions(name, permissions));
    Header header;
    const bool numbered = device == CpioDevice::character || device == CpioDevice::block;
    if (!numbered && (major != 0 || minor != 0)) {
        return Error(CpioErrc::bad_mode, "expected no device number for the FIFO or socket '" +
                                             shortened(name) + "', found " + std::to_string(major) +
                                             ":" + std::to_string(minor));
    }
    switch (device) {
        case CpioDevice::character:
            header.mode = S_IFCHR;
            break;
        case CpioDevice::block:
            header.mode = S_IFBLK;
            break;
        case CpioDevice::fifo:
            header.mode = S_IFIFO;
            break;
        case CpioDevice::socket:
            header.mode = S_IFSOCK;
            break;
    }
    header.mode |= permissions;
    header.owner = owner;
    header.major = major;
    header.minor = minor;
    return add_entry(name, header);
}

Result<> CpioWriter::add_file(std::string_view name, std::uint32_t permissions, std::uint64_t size,
                              CpioOwner owner) {
    CASEMATE_CHECK(check_permissions(name, permissions));
    Header header;
    header.mode = S_IFREG | permissions;
    header.owner = owner;
    header.size = size;
    CASEMATE_CHECK(add_entry(name, header));
    file_left_ = size;
    return {};
}

Result<> CpioWriter::write(ByteView bytes) {
    CASEMATE_CHECK(usable());
    if (bytes.size() > file_left_) {
        return Error(CpioErrc::wrong_order, "expected at most " + std::to_string(file_left_) +
                                                " more bytes of the file, found " +
                                                std::to_string(bytes.size()));
    }
    if (bytes.empty()) {
        return {};
    }
    CASEMATE_CHECK(put(bytes));
    file_left_ -= bytes.size();
    return file_left_ == 0 ? put_padding() : Result<>();
}

Result<> CpioWriter::add_small_file(std::string_view name, std::uint32_t permissions,
                                    ByteView content, CpioOwner owner) {
    CASEMATE_CHECK(add_file(name, permissions, content.size(), owner));
    return write(content);
}

Result<CpioLink> CpioWriter::begin_links(std::uint32_t permissions, std::uint32_t count,
                                         CpioOwner owner) {
    CASEMATE_CHECK(usable());
    CASEMATE_CHECK(check_permissions("a hard link", permissions));
    if (count < 2) {
        return Error(CpioErrc::wrong_order,
                     "expected at least 2 hard links, found " + std::to_string(count));
    }
    CASEMATE_TRY(const std::uint32_t inode, take_inode());
    groups_[inode] = LinkGroup{permissions, owner, count, count};
    return CpioLink{inode};
}

Result<> CpioWriter::add_link_entry(CpioLink link, std::string_view name, bool last,
                                    std::uint64_t size) {
    const auto group = groups_.find(link.inode);
    if (group == groups_.end() || (group->second.left == 1) != last) {
        return Error(CpioErrc::wrong_order, "expected the announced number of hard links, found '" +
                                                shortened(name) +
                                                (last ? "' as the last too early" : "' beyond it"));
    }
    Header header;
    header.inode = link.inode;
    header.mode = S_IFREG | group->second.permissions;
    header.owner = group->second.owner;
    header.links = group->second.count;
    header.size = size;
    CASEMATE_CHECK(add_entry(name, header));
    if (--group->second.left == 0) {
        groups_.erase(group);
    }
    return {};
}

Result<> CpioWriter::add_link(CpioLink link, std::string_view name) {
    return add_link_entry(link, name, false, 0);
}

Result<> CpioWriter::add_last_link(CpioLink link, std::string_view name, std::uint64_t size) {
    CASEMATE_CHECK(add_link_entry(link, name, true, size));
    file_left_ = size;
    return {};
}

Result<> CpioWriter::finish() {
    CASEMATE_CHECK(usable());
    if (file_left_ != 0 || !groups_.empty()) {
        return Error(CpioErrc::wrong_order,
                     "expected a whole archive, found " + std::to_string(file_left_) +
                         " bytes of a file and " + std::to_string(groups_.size()) +
                         " groups of hard links missing");
    }
    Header trailer;
    if (style_.numbered_trailer) {
        CASEMATE_TRY(trailer.inode, take_inode());
    }
    CASEMATE_CHECK(put_header(kTrailer, trailer));
    finished_ = true;
    const std::string padding((style_.alignment - size_ % style_.alignment) % style_.alignment,
                              '\0');
    return padding.empty() ? Result<>() : put(as_bytes(padding));
}

Result<ByteView> CpioReader::take(std::size_t size, std::string_view what) {
    ByteView bytes;
    if (!reader_.read_bytes(size, bytes)) {
        return Error(CpioErrc::truncated, "expected " + std::to_string(size) + " bytes of " +
                                              std::string(what) + " at offset " +
                                              std::to_string(offset()) + ", found " +
                                              std::to_string(reader_.remaining()));
    }
    return bytes;
}

Result<> CpioReader::skip_padding() {
    CASEMATE_TRY(const ByteView padding, take(padding_of(offset()), "padding"));
    if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t byte) { return byte != 0; })) {
        return Error(CpioErrc::malformed, "expected zeros as padding before offset " +
                                              std::to_string(offset()) + ", found other bytes");
    }
    return {};
}

Result<std::string_view> CpioReader::take_name(std::uint64_t size) {
    if (size < 2 || size > kCpioMaxName + 1) {
        return Error(CpioErrc::bad_name, "expected a name of 1 to 4095 bytes before offset " +
                                             std::to_string(offset()) + ", found a size of " +
                                             std::to_string(size) + " with its NUL");
    }
    CASEMATE_TRY(const ByteView raw, take(static_cast<std::size_t>(size), "a name"));
    const std::string_view name = as_text(raw.first(raw.size() - 1));
    if (raw.back() != 0) {
        return bad_name("a name that ends with NUL", name);
    }
    CASEMATE_CHECK(skip_padding());
    if (name != kTrailer && name != ".") {
        CASEMATE_CHECK(check_name(name));
    }
    return name;
}

Result<std::optional<CpioEntry>> CpioReader::next() {
    if (ended_) {
        return std::optional<CpioEntry>();
    }
    const std::uint64_t start = offset();
    CASEMATE_TRY(ByteView header, take(kHeaderSize, "an entry's header"));
    if (as_text(header.first(kMagic.size())) != kMagic) {
        return Error(CpioErrc::malformed, "expected the magic 070701 at offset " +
                                              std::to_string(start) + ", found other bytes");
    }
    CASEMATE_TRY(const Fields fields, parse_fields(header.subspan(kMagic.size()), start));
    CpioEntry entry;
    CASEMATE_TRY(entry.name, take_name(fields[Field::name_size]));
    if (entry.name == kTrailer) {
        if (fields[Field::size] != 0) {
            return Error(CpioErrc::malformed, "expected a trailer without content, found " +
                                                  std::to_string(fields[Field::size]) + " bytes");
        }
        ended_ = true;
        return std::optional<CpioEntry>();
    }
    CASEMATE_CHECK(check_fields(fields, entry.name));
    CASEMATE_TRY(entry.content, take(fields[Field::size], "content"));
    CASEMATE_CHECK(skip_padding());
    entry.inode = fields[Field::inode];
    entry.mode = fields[Field::mode];
    entry.owner = {fields[Field::uid], fields[Field::gid]};
    entry.links = fields[Field::links];
    entry.mtime = fields[Field::mtime];
    entry.major = fields[Field::special_major];
    entry.minor = fields[Field::special_minor];
    return std::optional<CpioEntry>(entry);
}

}  // namespace casemate::codec
