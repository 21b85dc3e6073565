#include "eif/reader.hpp"

#include <algorithm>
#include <string>

#include "base/fd.hpp"
#include "eif/section_order.hpp"

namespace casemate::eif {

namespace {

constexpr std::uint16_t kArchitectureFlag = 1;
constexpr unsigned kNewestSectionType = 5;

// RawHeader: the header with its tables, as the file has it.
struct RawHeader {
    Header header;
    std::uint16_t count = 0;
    std::array<std::uint64_t, kMaxSections> offsets{};
    std::array<std::uint64_t, kMaxSections> sizes{};
};

std::string number(std::uint64_t value) {
    return std::to_string(value);
}

Result<> check_flags(std::uint16_t flags, Header& header) {
    if ((flags & ~kArchitectureFlag) != 0) {
        return Error(EifErrc::unsupported,
                     "expected no header flag but the architecture's (1), found " + number(flags));
    }
    header.architecture = flags == kArchitectureFlag ? Architecture::aarch64 : Architecture::x86_64;
    return {};
}

// The header's size was checked by whoever read it, so the reads below can only succeed; a failed
// one would leave zeros, which the checks refuse.
Result<RawHeader> parse_header(ByteView bytes) {
    ByteReader reader(bytes);
    RawHeader raw;
    std::array<std::uint8_t, kMagic.size()> magic{};
    std::uint16_t flags = 0;
    std::uint16_t reserved = 0;
    std::uint32_t unused = 0;
    bool complete = reader.copy_bytes(magic) && reader.read_be(raw.header.version) &&
                    reader.read_be(flags) && reader.read_be(raw.header.default_memory) &&
                    reader.read_be(raw.header.default_cpus) && reader.read_be(reserved) &&
                    reader.read_be(raw.count);
    for (auto& offset : raw.offsets) {
        complete = complete && reader.read_be(offset);
    }
    for (auto& size : raw.sizes) {
        complete = complete && reader.read_be(size);
    }
    complete = complete && reader.read_be(unused) && reader.read_be(raw.header.crc);
    if (!complete) {
        return Error(EifErrc::truncated, "the header is incomplete");
    }
    CASEMATE_CHECK(check_version(raw.header.version));
    CASEMATE_CHECK(check_flags(flags, raw.header));
    if (reserved != 0 || unused != 0) {
        return Error(EifErrc::unsupported, "expected reserved header fields of 0, found " +
                                               number(reserved) + " and " + number(unused));
    }
    if (raw.count < 2 || raw.count > kMaxSections) {
        return Error(EifErrc::bad_sections, "expected 2 to " + number(kMaxSections) +
                                                " sections, found " + number(raw.count));
    }
    for (std::size_t i = raw.count; i < kMaxSections; ++i) {
        if (raw.offsets[i] != 0 || raw.sizes[i] != 0) {
            return Error(EifErrc::bad_layout, "expected zeros in the header's unused entry " +
                                                  number(i) + ", found offset " +
                                                  number(raw.offsets[i]) + ", size " +
                                                  number(raw.sizes[i]));
        }
    }
    return raw;
}

Result<RawHeader> read_header(int fd, std::uint64_t file_size) {
    Bytes bytes(static_cast<std::size_t>(std::min<std::uint64_t>(kHeaderSize, file_size)));
    CASEMATE_CHECK(read_exactly_at(fd, 0, bytes));
    if (bytes.size() < kMagic.size() || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
        const auto found = ByteView(bytes).first(std::min(bytes.size(), kMagic.size()));
        return Error(EifErrc::not_an_image,
                     "expected the file to begin with 2e656966 (\".eif\"), found " +
                         (found.empty() ? "an empty file" : to_hex(found)));
    }
    if (bytes.size() < kHeaderSize) {
        return Error(EifErrc::truncated, "expected a header of " + number(kHeaderSize) +
                                             " bytes, found a file of " + number(file_size));
    }
    return parse_header(bytes);
}

// check_position: the header's table and the walk from section to section must agree, or two
// readers would see two images.
Result<> check_position(std::size_t i, std::uint64_t expected, std::uint64_t found) {
    if (found == expected) {
        return {};
    }
    const char* what = found < expected ? ", overlapping what is before it" : ", leaving a gap";
    return Error(EifErrc::bad_layout, "section " + number(i) + ": expected at offset " +
                                          number(expected) + ", found offset " + number(found) +
                                          " in the header" + what);
}

Result<Section> read_section_header(int fd, std::uint64_t file_size, const RawHeader& raw,
                                    std::size_t i, std::uint64_t offset) {
    const std::string which = "section " + number(i) + ": ";
    CASEMATE_CHECK(check_position(i, offset, raw.offsets[i]));
    if (file_size - offset < kSectionHeaderSize) {
        return Error(EifErrc::truncated, which + "expected a section header at offset " +
                                             number(offset) + ", found the end of the file at " +
                                             number(file_size));
    }
    std::array<std::uint8_t, kSectionHeaderSize> bytes{};
    CASEMATE_CHECK(read_exactly_at(fd, offset, bytes));
    ByteReader reader(bytes);
    std::uint16_t type = 0;
    std::uint16_t flags = 0;
    Section section;
    if (!reader.read_be(type) || !reader.read_be(flags) || !reader.read_be(section.size)) {
        return Error(EifErrc::truncated, which + "its header is incomplete");
    }
    if (type == 0 || type > kNewestSectionType) {
        return Error(EifErrc::unsupported,
                     which + "expected a section type of 1 to 5, found " + number(type));
    }
    if (flags != 0) {
        return Error(EifErrc::unsupported,
                     which + "expected section flags of 0, found " + number(flags));
    }
    if (section.size != raw.sizes[i]) {
        return Error(EifErrc::bad_layout, which + "expected a size of " + number(raw.sizes[i]) +
                                              " bytes as the file's header says, found " +
                                              number(section.size));
    }
    section.type = static_cast<SectionType>(type);
    section.header_offset = offset;
    section.data_offset = offset + kSectionHeaderSize;
    const std::uint64_t left = file_size - section.data_offset;
    if (section.size > left) {
        return Error(EifErrc::truncated, which + "expected " + number(section.size) +
                                             " bytes of data, found " + number(left) +
                                             " before the end of the file");
    }
    if (section.type == SectionType::signature && section.size > kMaxSignatureSize) {
        return Error(EifErrc::bad_sections, which + "expected a signature of at most " +
                                                number(kMaxSignatureSize) + " bytes, found " +
                                                number(section.size));
    }
    return section;
}

}  // namespace

Result<Index> read_index(int fd) {
    CASEMATE_TRY(const std::uint64_t size, file_size(fd));
    CASEMATE_TRY(const RawHeader raw, read_header(fd, size));
    Index index;
    index.header = raw.header;
    SectionOrder order(raw.header.version);
    // offset never passes size: each step was compared with what is left.
    std::uint64_t offset = kHeaderSize;
    for (std::size_t i = 0; i < raw.count; ++i) {
        CASEMATE_TRY(const Section section, read_section_header(fd, size, raw, i, offset));
        auto allowed = order.next(section.type);
        if (!allowed) {
            return std::move(allowed).error().while_doing("section " + number(i));
        }
        index.sections.push_back(section);
        offset = section.data_offset + section.size;
    }
    CASEMATE_CHECK(order.finish());
    if (offset != size) {
        return Error(EifErrc::bad_layout,
                     "expected the end of the file after the last section at " + number(offset) +
                         ", found " + number(size - offset) + " more bytes");
    }
    return index;
}

Result<Bytes> read_section(int fd, const Section& section, std::uint64_t limit) {
    if (section.size > limit) {
        return Error(EifErrc::bad_layout, "expected a " + std::string(name(section.type)) +
                                              " section of at most " + number(limit) +
                                              " bytes, found " + number(section.size));
    }
    Bytes bytes(static_cast<std::size_t>(section.size));
    CASEMATE_CHECK(read_exactly_at(fd, section.data_offset, bytes));
    return bytes;
}

}  // namespace casemate::eif
