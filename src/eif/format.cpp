#include "eif/format.hpp"

#include <algorithm>

namespace casemate::eif {

std::string_view describe(EifErrc code) {
    switch (code) {
        case EifErrc::not_an_image:
            return "not an enclave image";
        case EifErrc::unsupported:
            return "unsupported enclave image";
        case EifErrc::truncated:
            return "truncated enclave image";
        case EifErrc::bad_layout:
            return "contradictory layout of the enclave image";
        case EifErrc::bad_sections:
            return "wrong sections in the enclave image";
        case EifErrc::bad_signature:
            return "bad signature section";
        case EifErrc::signature_refused:
            return "signature refused";
        case EifErrc::bad_metadata:
            return "bad image metadata";
        case EifErrc::wrong_crc:
            return "wrong CRC";
        case EifErrc::misuse:
            return "sections fed out of turn";
    }
    return "unknown";
}

std::string_view name(SectionType type) {
    switch (type) {
        case SectionType::kernel:
            return "kernel";
        case SectionType::cmdline:
            return "command line";
        case SectionType::ramdisk:
            return "ramdisk";
        case SectionType::signature:
            return "signature";
        case SectionType::metadata:
            return "metadata";
    }
    return "unknown";
}

const Section* Index::find(SectionType type) const {
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [&](const Section& section) { return section.type == type; });
    return found == sections.end() ? nullptr : &*found;
}

Bytes encode_header(const Index& index) {
    Bytes bytes;
    bytes.reserve(kHeaderSize);
    ByteWriter writer(bytes);
    const std::size_t count = std::min(index.sections.size(), kMaxSections);
    const std::size_t unused = (kMaxSections - count) * sizeof(std::uint64_t);
    writer.put_bytes(kMagic);
    writer.put_be(index.header.version);
    writer.put_be(static_cast<std::uint16_t>(index.header.architecture));
    writer.put_be(index.header.default_memory);
    writer.put_be(index.header.default_cpus);
    writer.put_be(std::uint16_t{0});
    writer.put_be(static_cast<std::uint16_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
        writer.put_be(index.sections[i].header_offset);
    }
    writer.put_zeros(unused);
    for (std::size_t i = 0; i < count; ++i) {
        writer.put_be(index.sections[i].size);
    }
    writer.put_zeros(unused);
    writer.put_be(std::uint32_t{0});
    writer.put_be(index.header.crc);
    return bytes;
}

Bytes encode_section_header(const Section& section) {
    Bytes bytes;
    bytes.reserve(kSectionHeaderSize);
    ByteWriter writer(bytes);
    writer.put_be(static_cast<std::uint16_t>(section.type));
    writer.put_be(std::uint16_t{0});
    writer.put_be(section.size);
    return bytes;
}

}  // namespace casemate::eif
