#include "eif/builder.hpp"

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "eif/chains.hpp"
#include "eif/crc.hpp"
#include "eif/section_order.hpp"
#include "eif/signature.hpp"

namespace casemate::eif {

namespace {

constexpr std::size_t kBufferSize = 1UL << 20U;

bool is_measured(SectionType type) {
    return type != SectionType::metadata && type != SectionType::signature;
}

}  // namespace

struct Builder::State {
    State(int file, const Header& header)
        : fd(file), order(header.version), chains(Measurer::Threads::two) {
        index.header = header;
        new_buffer();
    }

    int fd;
    Index index;
    SectionOrder order;
    Chains chains;
    // crcs[i] is the checksum of the data of section i.
    std::vector<std::uint32_t> crcs;
    // offset is where the next byte goes in the file, without what buffer still holds.
    std::uint64_t offset = kHeaderSize;
    std::shared_ptr<Bytes> buffer;
    Bytes signature;

    void new_buffer() {
        buffer = std::make_shared<Bytes>();
        buffer->reserve(kBufferSize);
    }
    [[nodiscard]] Result<> begin(SectionType type);
    [[nodiscard]] Result<> write(ByteView bytes);
    [[nodiscard]] Result<> flush();
    [[nodiscard]] Result<> end_section();
    [[nodiscard]] std::uint32_t whole_crc() const;
    [[nodiscard]] Result<Built> finish(const SignatureMaker& sign);
};

Result<> Builder::State::begin(SectionType type) {
    CASEMATE_CHECK(end_section());
    CASEMATE_CHECK(order.next(type));
    Section section;
    section.type = type;
    section.header_offset = offset;
    section.data_offset = offset + kSectionHeaderSize;
    index.sections.push_back(section);
    crcs.push_back(0);
    offset = section.data_offset;
    chains.begin(type);
    return {};
}

Result<> Builder::State::write(ByteView bytes) {
    if (index.sections.empty()) {
        return Error(EifErrc::misuse, "data before the first section");
    }
    Section& section = index.sections.back();
    if (section.type == SectionType::signature) {
        if (bytes.size() > kMaxSignatureSize - section.size) {
            return Error(EifErrc::bad_signature, "expected at most " +
                                                     std::to_string(kMaxSignatureSize) +
                                                     " bytes of signature section, found more");
        }
        signature.insert(signature.end(), bytes.begin(), bytes.end());
    }
    section.size += bytes.size();
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min(bytes.size(), kBufferSize - buffer->size()));
        buffer->insert(buffer->end(), piece.begin(), piece.end());
        bytes = bytes.subspan(piece.size());
        if (buffer->size() == kBufferSize) {
            CASEMATE_CHECK(flush());
        }
    }
    return {};
}

Result<> Builder::State::flush() {
    if (buffer->empty()) {
        return {};
    }
    CASEMATE_CHECK(write_all_at(fd, offset, *buffer));
    // The disk may begin now, while the next bytes are made and hashed: whoever syncs the file at
    // the end waits less. It is only a hint, so its failure is none.
    (void)::sync_file_range(fd, static_cast<off64_t>(offset), static_cast<off64_t>(buffer->size()),
                            SYNC_FILE_RANGE_WRITE);
    offset += buffer->size();
    crcs.back() = crc32(crcs.back(), *buffer);
    if (is_measured(index.sections.back().type)) {
        chains.feed(std::move(buffer));
    }
    new_buffer();
    return {};
}

Result<> Builder::State::end_section() {
    if (index.sections.empty()) {
        return {};
    }
    CASEMATE_CHECK(flush());
    const Section& section = index.sections.back();
    return write_all_at(fd, section.header_offset, encode_section_header(section));
}

std::uint32_t Builder::State::whole_crc() const {
    std::uint32_t crc = crc32(0, ByteView(encode_header(index)).first(kCrcOffset));
    for (std::size_t i = 0; i < index.sections.size(); ++i) {
        crc = crc32(crc, encode_section_header(index.sections[i]));
        crc = crc32_join(crc, crcs[i], index.sections[i].size);
    }
    return crc;
}

Result<Builder::Built> Builder::State::finish(const SignatureMaker& sign) {
    CASEMATE_CHECK(order.finish());
    CASEMATE_CHECK(end_section());
    Built built;
    // A signature is in none of these registers, so it can come after them.
    chains.finish(built.measurements);
    if (sign) {
        CASEMATE_TRY(const Bytes section, sign(built.measurements.pcr0));
        CASEMATE_CHECK(begin(SectionType::signature));
        CASEMATE_CHECK(write(section));
        CASEMATE_CHECK(end_section());
    }
    if (index.find(SectionType::signature) != nullptr) {
        CASEMATE_TRY(built.measurements.pcr8, signer_register(signature));
    }
    index.header.crc = whole_crc();
    CASEMATE_CHECK(write_all_at(fd, 0, encode_header(index)));
    built.index = index;
    return built;
}

Builder::Builder(std::unique_ptr<State> state) : state_(std::move(state)) {
}
Builder::Builder(Builder&&) noexcept = default;
Builder& Builder::operator=(Builder&&) noexcept = default;
Builder::~Builder() = default;

Result<Builder> Builder::create(int fd, const Header& header) {
    CASEMATE_CHECK(check_version(header.version));
    return Builder(std::make_unique<State>(fd, header));
}

Result<> Builder::begin(SectionType type) {
    return state_->begin(type);
}

Result<> Builder::write(ByteView bytes) {
    return state_->write(bytes);
}

Result<> Builder::add(SectionType type, ByteView bytes) {
    CASEMATE_CHECK(begin(type));
    return write(bytes);
}

Result<Builder::Built> Builder::finish(const SignatureMaker& sign) {
    return state_->finish(sign);
}

}  // namespace casemate::eif
