// For tests: images put together byte by byte from formats.md, with no help of the room's own
// writing code, and with whatever fault a test wants.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"

namespace casemate::eif::forger {

struct ForgedSection {
    std::uint16_t type = 0;
    std::string data;
    std::uint16_t flags = 0;
    // size is what the section's own header says, when not the size of data.
    std::uint64_t size_lie = 0;
    bool lies_about_size = false;
};

struct Forgery {
    std::string magic = ".eif";
    std::uint16_t version = 4;
    std::uint16_t flags = 0;
    std::uint16_t reserved = 0;
    std::uint32_t unused = 0;
    std::vector<ForgedSection> sections;
    // edit changes the header's tables: number of sections, 32 offsets, 32 sizes.
    std::function<void(std::uint16_t& count, std::vector<std::uint64_t>& offsets,
                       std::vector<std::uint64_t>& sizes)>
        edit;
    // trailing comes after the last section.
    std::string trailing;
    // crc_difference is xored into the right CRC.
    std::uint32_t crc_difference = 0;
};

inline constexpr std::string_view kMetadata =
    R"({"ImageName":"hello","ImageVersion":"1.0","BuildMetadata":{"BuildTime":)"
    R"("2024-07-09T17:16:38.424202433+00:00","BuildTool":"nitro-cli","BuildToolVersion":"1.3.1",)"
    R"("OperatingSystem":"Linux","KernelVersion":"4.14.256"},"DockerInfo":{"Id":"sha256:00"},)"
    R"("CustomMetadata":null})";

// plain is an image that every reader accepts: kernel, command line, metadata, two ramdisks.
inline Forgery plain() {
    Forgery forgery;
    forgery.sections = {{1, "KERNEL", 0, 0, false},
                        {2, "reboot=k panic=30", 0, 0, false},
                        {5, std::string(kMetadata), 0, 0, false},
                        {3, "first ramdisk", 0, 0, false},
                        {3, "second ramdisk", 0, 0, false}};
    return forgery;
}

// slow_crc32 is the checksum's definition, bit by bit.
inline std::uint32_t slow_crc32(std::string_view bytes) {
    std::uint32_t crc = 0xffffffff;
    for (const char character : bytes) {
        crc ^= static_cast<std::uint8_t>(character);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
        }
    }
    return ~crc;
}

template <class T>
std::string big_endian(T value) {
    std::string bytes;
    for (std::size_t i = sizeof(T); i > 0; --i) {
        bytes += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * (i - 1))) & 0xffU);
    }
    return bytes;
}

inline std::string forge(const Forgery& forgery) {
    std::string body;
    std::vector<std::uint64_t> offsets(32, 0);
    std::vector<std::uint64_t> sizes(32, 0);
    for (std::size_t i = 0; i < forgery.sections.size(); ++i) {
        const ForgedSection& section = forgery.sections[i];
        if (i < 32) {
            offsets[i] = 548 + body.size();
            sizes[i] = section.data.size();
        }
        const std::uint64_t size = section.lies_about_size ? section.size_lie : section.data.size();
        body += big_endian(section.type) + big_endian(section.flags) + big_endian(size);
        body += section.data;
    }
    auto count = static_cast<std::uint16_t>(forgery.sections.size());
    if (forgery.edit) {
        forgery.edit(count, offsets, sizes);
    }
    std::string header = forgery.magic + big_endian(forgery.version) + big_endian(forgery.flags) +
                         big_endian(std::uint64_t{1} << 30U) + big_endian(std::uint64_t{2}) +
                         big_endian(forgery.reserved) + big_endian(count);
    for (const std::uint64_t offset : offsets) {
        header += big_endian(offset);
    }
    for (const std::uint64_t size : sizes) {
        header += big_endian(size);
    }
    header += big_endian(forgery.unused);
    body += forgery.trailing;
    const std::uint32_t crc = slow_crc32(header + body) ^ forgery.crc_difference;
    return header + big_endian(crc) + body;
}

// memory_file holds text; tests read it as they would a file on disk.
inline UniqueFd memory_file(std::string_view text) {
    auto fd = make_memory_file("image", 0);
    if (!fd || !write_all_at(fd->get(), 0, as_bytes(text))) {
        return {};
    }
    return std::move(*fd);
}

}  // namespace casemate::eif::forger
