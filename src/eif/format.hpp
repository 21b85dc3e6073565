// The enclave image format, version 4 (formats.md 1): its constants, the header and the sections.
// All integers of the file are big-endian.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "eif/error.hpp"

namespace casemate::eif {

inline constexpr std::array<std::uint8_t, 4> kMagic = {'.', 'e', 'i', 'f'};
inline constexpr std::size_t kHeaderSize = 548;
inline constexpr std::size_t kSectionHeaderSize = 12;
// kMaxSections is how many entries the header's two tables have.
inline constexpr std::size_t kMaxSections = 32;
// The CRC is the header's last field and is not part of what it covers.
inline constexpr std::size_t kCrcOffset = 544;

inline constexpr std::uint16_t kOldestVersion = 2;
inline constexpr std::uint16_t kNewestVersion = 4;

inline constexpr std::uint64_t kMaxSignatureSize = 32768;
inline constexpr std::uint64_t kMaxMetadataSize = 1ULL << 20U;
inline constexpr std::uint64_t kMaxCustomMetadataSize = 4096;

// What AWS's builder writes into fields that nobody reads.
inline constexpr std::uint64_t kDefaultMemory = 1ULL << 30U;
inline constexpr std::uint64_t kDefaultCpus = 2;

enum class Architecture : std::uint8_t { x86_64 = 0, aarch64 = 1 };

enum class SectionType : std::uint16_t {
    kernel = 1,
    cmdline = 2,
    ramdisk = 3,
    // From version 3 on.
    signature = 4,
    // From version 4 on, where it is mandatory.
    metadata = 5,
};

[[nodiscard]] std::string_view name(SectionType type);

// Header: the fields of the file header that are free to differ. The tables follow from the
// sections.
struct Header {
    std::uint16_t version = kNewestVersion;
    Architecture architecture = Architecture::x86_64;
    std::uint64_t default_memory = kDefaultMemory;
    std::uint64_t default_cpus = kDefaultCpus;
    std::uint32_t crc = 0;

    bool operator==(const Header&) const = default;
};

// Section: where one section's header and its data are in the file, in bytes.
struct Section {
    SectionType type = SectionType::kernel;
    std::uint64_t header_offset = 0;
    std::uint64_t data_offset = 0;
    std::uint64_t size = 0;

    bool operator==(const Section&) const = default;
};

// Index: the header and every section in file order. One that read_index gave obeys every rule of
// formats.md 1.1, 1.2 and 1.4: exactly one kernel and one command line, at least one ramdisk and
// every ramdisk after the kernel, at most one signature and one metadata section, no gap, no
// overlap, nothing outside the file.
struct Index {
    Header header;
    std::vector<Section> sections;

    // find gives the first section of a type, or nothing.
    [[nodiscard]] const Section* find(SectionType type) const;

    bool operator==(const Index&) const = default;
};

// encode_header gives the 548 bytes of the header of these sections (at most 32).
[[nodiscard]] Bytes encode_header(const Index& index);
// encode_section_header gives the 12 bytes in front of a section's data.
[[nodiscard]] Bytes encode_section_header(const Section& section);

}  // namespace casemate::eif
