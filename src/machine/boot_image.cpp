#include "machine/boot_image.hpp"

#include "machine/errors.hpp"

namespace casemate::machine {

namespace {

// A setup header ends at most 0x202 + 255 bytes into the file (boot.rst, field "jump").
constexpr std::size_t kMaxSetupHeader = 0x202 + 255 - 0x1f1;
// Linux itself takes 2,047 characters on x86.
constexpr std::size_t kMaxCommandLine = 4096;
constexpr std::size_t kMaxLoaded = 256;

Error too_short(const char* field) {
    return {MachineErrc::bad_message, std::string("the boot image ends before its ") + field};
}

// read_sized reads a length and that many bytes.
Result<ByteView> read_sized(ByteReader& reader, std::size_t limit, const char* field) {
    std::uint32_t size = 0;
    ByteView bytes;
    if (!reader.read_le(size)) {
        return too_short(field);
    }
    if (size > limit) {
        return Error(MachineErrc::bad_message, std::string("expected a ") + field + " of at most " +
                                                   std::to_string(limit) + " bytes, found " +
                                                   std::to_string(size));
    }
    if (!reader.read_bytes(size, bytes)) {
        return too_short(field);
    }
    return bytes;
}

void put_range(ByteWriter& writer, const GuestRange& range) {
    writer.put_le(range.address);
    writer.put_le(range.size);
}

bool read_range(ByteReader& reader, GuestRange& range) {
    return reader.read_le(range.address) && reader.read_le(range.size);
}

}  // namespace

void encode(const BootImage& image, ByteWriter& writer) {
    writer.put_le(image.entry);
    writer.put_le(static_cast<std::uint32_t>(image.setup_header.size()));
    writer.put_bytes(image.setup_header);
    put_range(writer, image.initrd);
    writer.put_le(static_cast<std::uint32_t>(image.command_line.size()));
    writer.put_bytes(as_bytes(image.command_line));
    writer.put_le(static_cast<std::uint32_t>(image.loaded.size()));
    for (const auto& range : image.loaded) {
        put_range(writer, range);
    }
}

Result<BootImage> decode_boot_image(ByteReader& reader) {
    BootImage image;
    if (!reader.read_le(image.entry)) {
        return too_short("entry");
    }
    CASEMATE_TRY(const auto header, read_sized(reader, kMaxSetupHeader, "setup header"));
    image.setup_header.assign(header.begin(), header.end());
    if (!read_range(reader, image.initrd)) {
        return too_short("initrd");
    }
    CASEMATE_TRY(const auto command_line, read_sized(reader, kMaxCommandLine, "command line"));
    image.command_line = as_text(command_line);
    std::uint32_t count = 0;
    if (!reader.read_le(count)) {
        return too_short("loaded ranges");
    }
    if (count > kMaxLoaded) {
        return Error(MachineErrc::bad_message, "expected at most " + std::to_string(kMaxLoaded) +
                                                   " loaded ranges, found " +
                                                   std::to_string(count));
    }
    image.loaded.resize(count);
    for (auto& range : image.loaded) {
        if (!read_range(reader, range)) {
            return too_short("loaded ranges");
        }
    }
    return image;
}

}  // namespace casemate::machine
