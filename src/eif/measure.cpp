#include "eif/measure.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "eif/chains.hpp"
#include "eif/crc.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"

namespace casemate::eif {

namespace {

constexpr std::uint64_t kBufferSize = 1ULL << 20U;

std::uint32_t header_crc(const Index& index) {
    return crc32(0, ByteView(encode_header(index)).first(kCrcOffset));
}

}  // namespace

struct Measurer::State {
    State(Index of, Threads threads)
        : index(std::move(of)), chains(threads), crc(header_crc(index)) {}

    Index index;
    Chains chains;
    std::uint32_t crc;
    // next is the section whose turn comes, left how much the one begun still misses.
    std::size_t next = 0;
    std::uint64_t left = 0;
    Bytes signature;

    [[nodiscard]] bool in_signature() const {
        return next > 0 && index.sections[next - 1].type == SectionType::signature;
    }
    [[nodiscard]] Result<> check_fed() const;
    [[nodiscard]] Result<> account(ByteView bytes);
    [[nodiscard]] Result<Measured> finish();
};

Result<> Measurer::State::check_fed() const {
    if (left != 0) {
        return Error(EifErrc::misuse, "section " + std::to_string(next - 1) + " still misses " +
                                          std::to_string(left) + " bytes");
    }
    return {};
}

// account does everything but the hashing of the registers.
Result<> Measurer::State::account(ByteView bytes) {
    if (bytes.size() > left) {
        return Error(EifErrc::misuse, "expected at most " + std::to_string(left) +
                                          " more bytes of the section, found " +
                                          std::to_string(bytes.size()));
    }
    left -= bytes.size();
    crc = crc32(crc, bytes);
    if (in_signature()) {
        signature.insert(signature.end(), bytes.begin(), bytes.end());
    }
    return {};
}

Result<Measured> Measurer::State::finish() {
    CASEMATE_CHECK(check_fed());
    if (next != index.sections.size()) {
        return Error(EifErrc::misuse, "expected " + std::to_string(index.sections.size()) +
                                          " sections, was fed " + std::to_string(next));
    }
    Measured measured;
    chains.finish(measured.measurements);
    if (index.find(SectionType::signature) != nullptr) {
        CASEMATE_TRY(measured.measurements.pcr8, signer_register(signature));
    }
    measured.crc = crc;
    measured.crc_matches = crc == index.header.crc;
    return measured;
}

Measurer::Measurer(Index index, Threads threads)
    : state_(std::make_unique<State>(std::move(index), threads)) {
}
Measurer::Measurer(Measurer&&) noexcept = default;
Measurer& Measurer::operator=(Measurer&&) noexcept = default;
Measurer::~Measurer() = default;

Result<> Measurer::begin(const Section& section) {
    State& state = *state_;
    CASEMATE_CHECK(state.check_fed());
    if (state.next == state.index.sections.size() ||
        !(state.index.sections[state.next] == section)) {
        return Error(EifErrc::misuse, "expected the image's section " + std::to_string(state.next) +
                                          ", was given another");
    }
    ++state.next;
    state.left = section.size;
    state.crc = crc32(state.crc, encode_section_header(section));
    state.chains.begin(section.type);
    return {};
}

Result<> Measurer::update(ByteView bytes) {
    CASEMATE_CHECK(state_->account(bytes));
    state_->chains.feed_now(bytes);
    return {};
}

Result<> Measurer::update_later(std::shared_ptr<const Bytes> bytes) {
    CASEMATE_CHECK(state_->account(*bytes));
    state_->chains.feed(std::move(bytes));
    return {};
}

Result<Measured> Measurer::finish() {
    return state_->finish();
}

Result<Measured> measure(int fd) {
    CASEMATE_TRY(const Index index, read_index(fd));
    return measure(fd, index);
}

Result<Measured> measure(int fd, const Index& index, const MeasureProgress& progress) {
    Measurer measurer(index);
    std::uint64_t total = 0;
    for (const Section& section : index.sections) {
        total += section.size;
    }
    std::uint64_t before = 0;
    for (const Section& section : index.sections) {
        CASEMATE_CHECK(measurer.begin(section));
        for (std::uint64_t done = 0; done < section.size;) {
            const auto size = static_cast<std::size_t>(std::min(kBufferSize, section.size - done));
            const auto piece = std::make_shared<Bytes>(size);
            CASEMATE_CHECK(read_exactly_at(fd, section.data_offset + done, *piece));
            CASEMATE_CHECK(measurer.update_later(piece));
            done += size;
            if (progress) {
                progress(before + done, total);
            }
        }
        before += section.size;
    }
    return measurer.finish();
}

}  // namespace casemate::eif
