// cpio archives in the "newc" format (magic 070701), which Linux unpacks into its first root
// (kernel Documentation/driver-api/early-userspace/buffer-format.rst).
//
// The writer is deterministic: inode numbers count up in the order of the calls, and the bytes
// depend on the calls alone. It holds no content, so an archive of any size needs no memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::codec {

// CpioErrc: why an archive could not be written or read.
enum class CpioErrc {
    bad_name,   // empty, absolute, not normal (".", "..", "//"), with NUL, too long, or the trailer
    bad_mode,   // permissions beyond 07777, or a kind of file that the format does not know
    too_large,  // a file or a count beyond the format's 32-bit fields
    wrong_order,  // calls out of order, or a file's content shorter or longer than announced
    malformed,    // read: a header, padding or content against the format
    truncated,    // read: the archive ends before its trailer
};

[[nodiscard]] std::string_view describe(CpioErrc code);

// kCpioMaxName and kCpioMaxTarget: the longest name and symlink target, in bytes without the NUL.
// Linux silently skips entries that exceed PATH_MAX with the NUL, so longer ones are refused.
inline constexpr std::size_t kCpioMaxName = 4095;
inline constexpr std::size_t kCpioMaxTarget = 4095;
// kCpioMaxFile: the largest file the format can express, in bytes.
inline constexpr std::uint64_t kCpioMaxFile = 0xffff'ffff;
// kCpioAlignment: headers, contents and the archive's end are aligned to this many bytes, so that
// archives can be put one behind the other.
inline constexpr std::size_t kCpioAlignment = 4;

// CpioOwner: numeric owner of an entry.
struct CpioOwner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

// CpioDevice: kinds of special file.
enum class CpioDevice { character, block, fifo, socket };

// CpioStyle: what the format leaves to its writers.
struct CpioStyle {
    // first_inode: the number of the first entry.
    std::uint32_t first_inode = 1;
    // device_major and device_minor: the device that all entries are said to be on.
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    // lower_case: header fields in abcdef instead of ABCDEF.
    bool lower_case = false;
    // numbered_trailer: the trailer has the inode number after the last entry's, instead of 0.
    bool numbered_trailer = false;
    // alignment of the archive's end, a multiple of kCpioAlignment.
    std::uint32_t alignment = kCpioAlignment;
    // directory_slash: names of directories may end in a slash, which is written.
    bool directory_slash = false;
};

// CpioLink names a group of hard links within one CpioWriter.
struct CpioLink {
    std::uint32_t inode = 0;
};

// CpioWriter writes one archive to a sink. Names are relative and normal ("a/b": no leading slash,
// no empty, "." or ".." component); the caller puts directories before what they hold. permissions
// are the low 12 bits of the mode (set-uid, set-gid and sticky included). A call refused for its
// arguments writes nothing; once the sink has failed, each further call fails.
class CpioWriter {
public:
    // Sink takes the next bytes of the archive; they are only valid during the call.
    using Sink = std::function<Result<>(ByteView)>;

    explicit CpioWriter(Sink sink, const CpioStyle& style = {})
        : sink_(std::move(sink)), style_(style), last_inode_(style.first_inode - 1) {}

    // set_modified sets the time of the entries from now on, in seconds since 1970; 0 at first.
    void set_modified(std::uint32_t seconds) { modified_ = seconds; }

    // add_directory, add_symlink and add_device write one whole entry.
    // Errors: bad_name, bad_mode, too_large, wrong_order (a file is unfinished), the sink's own.
    [[nodiscard]] Result<> add_directory(std::string_view name, std::uint32_t permissions,
                                         CpioOwner owner = {});
    // Linux has no permissions of symlinks; archives do.
    [[nodiscard]] Result<> add_symlink(std::string_view name, std::string_view target,
                                       CpioOwner owner = {}, std::uint32_t permissions = 0777);
    // major and minor are 0 for FIFOs and sockets.
    [[nodiscard]] Result<> add_device(std::string_view name, CpioDevice device,
                                      std::uint32_t permissions, std::uint32_t major,
                                      std::uint32_t minor, CpioOwner owner = {});

    // add_file begins a file of size bytes, which write then brings in any number of pieces; the
    // file is complete with its last byte. Errors as above; too_large: size > kCpioMaxFile.
    [[nodiscard]] Result<> add_file(std::string_view name, std::uint32_t permissions,
                                    std::uint64_t size, CpioOwner owner = {});
    // write fails with wrong_order for bytes beyond the announced size.
    [[nodiscard]] Result<> write(ByteView bytes);

    // add_small_file is add_file and write in one.
    [[nodiscard]] Result<> add_small_file(std::string_view name, std::uint32_t permissions,
                                          ByteView content, CpioOwner owner = {});

    // begin_links announces one file with count (≥ 2) names and writes nothing. Each name but the
    // last is written by add_link; the last carries the content: add_last_link, then write.
    [[nodiscard]] Result<CpioLink> begin_links(std::uint32_t permissions, std::uint32_t count,
                                               CpioOwner owner = {});
    [[nodiscard]] Result<> add_link(CpioLink link, std::string_view name);
    [[nodiscard]] Result<> add_last_link(CpioLink link, std::string_view name, std::uint64_t size);

    // finish writes the trailer. wrong_order: a file or a group of links is unfinished.
    [[nodiscard]] Result<> finish();

    // size: bytes given to the sink so far.
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    struct Header {
        std::uint32_t inode = 0;
        std::uint32_t mode = 0;
        CpioOwner owner;
        std::uint32_t links = 1;
        std::uint32_t major = 0;
        std::uint32_t minor = 0;
        std::uint64_t size = 0;
        std::uint32_t modified = 0;
    };
    struct LinkGroup {
        std::uint32_t permissions = 0;
        CpioOwner owner;
        std::uint32_t count = 0;
        std::uint32_t left = 0;
    };

    [[nodiscard]] Result<> add_entry(std::string_view name, Header header);
    [[nodiscard]] Result<> put_header(std::string_view name, const Header& header);
    [[nodiscard]] Result<> check_entry(std::string_view name, std::uint32_t mode) const;
    [[nodiscard]] Result<> put_padding();
    [[nodiscard]] Result<> put(ByteView bytes);
    [[nodiscard]] Result<> usable() const;
    [[nodiscard]] Result<std::uint32_t> take_inode();
    [[nodiscard]] Result<> add_link_entry(CpioLink link, std::string_view name, bool last,
                                          std::uint64_t size);

    Sink sink_;
    CpioStyle style_;
    std::uint32_t modified_ = 0;
    std::map<std::uint32_t, LinkGroup> groups_;
    std::uint64_t size_ = 0;
    std::uint64_t file_left_ = 0;
    std::uint32_t last_inode_;
    bool broken_ = false;
    bool finished_ = false;
};

// CpioEntry: one entry as it was read; name and content view the archive.
struct CpioEntry {
    std::string_view name;
    // content of a file, or target of a symlink; empty for all others.
    ByteView content;
    std::uint32_t inode = 0;
    // mode with the kind of file, as st_mode.
    std::uint32_t mode = 0;
    CpioOwner owner;
    std::uint32_t links = 0;
    std::uint32_t mtime = 0;
    // major and minor of the device that a device node stands for.
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
};

// CpioReader reads one archive, forward only, and views the bytes without owning them. It is
// strict: padding must be zero, names must be as the writer takes them (a single "." for the root
// is accepted, for other tools' archives), and only files and symlinks have content.
class CpioReader {
public:
    explicit CpioReader(ByteView archive) : reader_(archive), total_(archive.size()) {}

    // next gives the next entry, or nothing once the trailer has been read.
    // Errors: malformed, bad_name, bad_mode, truncated.
    [[nodiscard]] Result<std::optional<CpioEntry>> next();

    // rest: what lies behind the trailer and its padding; meaningful once next gave nothing.
    [[nodiscard]] ByteView rest() const { return reader_.rest(); }

private:
    [[nodiscard]] Result<> skip_padding();
    [[nodiscard]] Result<std::string_view> take_name(std::uint64_t size);
    [[nodiscard]] Result<ByteView> take(std::size_t size, std::string_view what);
    [[nodiscard]] std::uint64_t offset() const { return total_ - reader_.remaining(); }

    ByteReader reader_;
    std::size_t total_;
    bool ended_ = false;
};

}  // namespace casemate::codec
