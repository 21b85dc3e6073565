// Enclave images. What the reader accepts is determined to the last byte by what it says about it:
// written again by the builder it is the same file, but for a checksum that was wrong, and measures
// the same, on one thread and on two.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/fd.hpp"
#include "eif/builder.hpp"
#include "eif/measure.hpp"
#include "eif/reader.hpp"

namespace {

using namespace casemate;

void require(bool holds, const char* property) {
    if (!holds) {
        std::fprintf(stderr, "broken: %s\n", property);
        std::abort();
    }
}

UniqueFd memory_file(ByteView bytes) {
    auto fd = make_memory_file("eif", 0);
    require(fd.ok() && write_all_at(fd->get(), 0, bytes).ok(), "a memory file can be had");
    return std::move(*fd);
}

Result<eif::Measured> measure_on_one_thread(ByteView image, const eif::Index& index) {
    eif::Measurer measurer(index, eif::Measurer::Threads::one);
    for (const eif::Section& section : index.sections) {
        CASEMATE_CHECK(measurer.begin(section));
        CASEMATE_CHECK(measurer.update(image.subspan(section.data_offset, section.size)));
    }
    return measurer.finish();
}

Result<eif::Builder::Built> rebuild(ByteView image, const eif::Index& index, int out) {
    CASEMATE_TRY(eif::Builder builder, eif::Builder::create(out, index.header));
    for (const eif::Section& section : index.sections) {
        CASEMATE_CHECK(builder.add(section.type, image.subspan(section.data_offset, section.size)));
    }
    return builder.finish();
}

void check_same_file(ByteView image, int rebuilt, bool crc_matches) {
    const auto size = file_size(rebuilt);
    require(size.ok() && *size == image.size(), "the rebuilt image has the same size");
    Bytes bytes(image.size());
    require(read_exactly_at(rebuilt, 0, bytes).ok(), "the rebuilt image can be read");
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool crc = i >= eif::kCrcOffset && i < eif::kHeaderSize;
        require(bytes[i] == image[i] || (crc && !crc_matches), "the rebuilt image is the same");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView image(data, size);
    const UniqueFd fd = memory_file(image);
    const auto index = eif::read_index(fd.get());
    if (!index) {
        return 0;
    }
    const auto measured = eif::measure(fd.get(), *index);
    const auto alone = measure_on_one_thread(image, *index);
    const UniqueFd out = memory_file({});
    const auto built = rebuild(image, *index, out.get());
    require(measured.ok() == built.ok() && measured.ok() == alone.ok(),
            "reader and builder agree on what is an image");
    if (!measured) {
        return 0;
    }
    require(measured->measurements == built->measurements &&
                measured->measurements == alone->measurements && measured->crc == alone->crc,
            "the rebuilt image measures the same");
    check_same_file(image, out.get(), measured->crc_matches);
    return 0;
}
