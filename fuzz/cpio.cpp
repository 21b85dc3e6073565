// Property: what the strict reader accepts, the writer can write, and reading that back gives the
// same entries.
#include <sys/stat.h>

#include <cstdlib>
#include <vector>

#include "codec/cpio.hpp"

namespace {

using namespace casemate;
using namespace casemate::codec;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

std::optional<std::vector<CpioEntry>> read_all(ByteView archive) {
    std::vector<CpioEntry> entries;
    CpioReader reader(archive);
    while (true) {
        auto entry = reader.next();
        if (!entry) {
            return std::nullopt;
        }
        if (!entry->has_value()) {
            require(reader.rest().size() <= archive.size());
            return entries;
        }
        entries.push_back(**entry);
    }
}

Result<> write_entry(CpioWriter& writer, const CpioEntry& entry) {
    const std::uint32_t permissions = entry.mode & 07777U;
    switch (entry.mode & S_IFMT) {
        case S_IFDIR:
            return writer.add_directory(entry.name, permissions, entry.owner);
        case S_IFLNK:
            return writer.add_symlink(entry.name, as_text(entry.content), entry.owner);
        case S_IFREG:
            return writer.add_small_file(entry.name, permissions, entry.content, entry.owner);
        case S_IFCHR:
            return writer.add_device(entry.name, CpioDevice::character, permissions, entry.major,
                                     entry.minor, entry.owner);
        case S_IFBLK:
            return writer.add_device(entry.name, CpioDevice::block, permissions, entry.major,
                                     entry.minor, entry.owner);
        case S_IFIFO:
            return writer.add_device(entry.name, CpioDevice::fifo, permissions, 0, 0, entry.owner);
        default:
            return writer.add_device(entry.name, CpioDevice::socket, permissions, 0, 0,
                                     entry.owner);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto entries = read_all(ByteView(data, size));
    if (!entries) {
        return 0;
    }
    Bytes out;
    CpioWriter writer([&out](ByteView bytes) -> Result<> {
        out.insert(out.end(), bytes.begin(), bytes.end());
        return {};
    });
    std::vector<CpioEntry> written;
    for (const CpioEntry& entry : *entries) {
        // "." is what other tools call the root; symlink targets may hold what no kernel takes.
        if (entry.name == "." ||
            (S_ISLNK(entry.mode) && as_text(entry.content).find('\0') != std::string_view::npos)) {
            continue;
        }
        require(write_entry(writer, entry).ok());
        written.push_back(entry);
    }
    require(writer.finish().ok());
    require(out.size() % kCpioAlignment == 0 && out.size() == writer.size());
    const auto again = read_all(out);
    require(again.has_value() && again->size() == written.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
        const CpioEntry& a = written[i];
        const CpioEntry& b = (*again)[i];
        const std::uint32_t mask = S_ISLNK(a.mode) ? static_cast<std::uint32_t>(S_IFMT) : ~0U;
        require(a.name == b.name && (a.mode & mask) == (b.mode & mask) &&
                a.owner.uid == b.owner.uid && a.owner.gid == b.owner.gid &&
                as_text(a.content) == as_text(b.content) && b.inode == i + 1 && b.mtime == 0);
        if (S_ISCHR(a.mode) || S_ISBLK(a.mode)) {
            require(a.major == b.major && a.minor == b.minor);
        }
    }
    return 0;
}
