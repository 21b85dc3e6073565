#include "eif/measure.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include "base/temporary_directory.hpp"
#include "eif/forger.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"

namespace casemate::eif {
namespace {

using forger::forge;
using forger::Forgery;
using forger::memory_file;
using forger::plain;

constexpr const char* kPcrOfNothing =
    "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
    "10edb30948c90ba67310f7b964fc500a";

// tool_sha384 is the digest as the system's own sha384sum gives it.
std::string tool_sha384(std::string_view bytes) {
    const auto directory = TemporaryDirectory::create();
    if (!directory.ok()) {
        return "";
    }
    const std::string path = directory->path() + "/bytes";
    std::ofstream(path, std::ios::binary) << bytes;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("sha384sum " + path).c_str(), "r"),
                                                     ::pclose);
    std::array<char, 97> digest{};
    return pipe && std::fread(digest.data(), 1, 96, pipe.get()) == 96 ? digest.data() : "";
}

std::string tool_pcr(std::string_view content) {
    const auto digest = from_hex(tool_sha384(content));
    return tool_sha384(std::string(48, '\0') + std::string(as_text(digest.value_or(Bytes()))));
}

Result<Measured> measure_text(const std::string& image) {
    const UniqueFd fd = memory_file(image);
    return measure(fd.get());
}

TEST(MeasureTest, AgreesWithTheSystemsOwnTool) {
    const auto measured = measure_text(forge(plain()));
    ASSERT_TRUE(measured.ok()) << measured.error().message();
    const Measurements& pcrs = measured->measurements;
    EXPECT_EQ(to_hex(pcrs.pcr0), tool_pcr("KERNELreboot=k panic=30first ramdisksecond ramdisk"));
    EXPECT_EQ(to_hex(pcrs.pcr1), tool_pcr("KERNELreboot=k panic=30first ramdisk"));
    EXPECT_EQ(to_hex(pcrs.pcr2), tool_pcr("second ramdisk"));
    EXPECT_FALSE(pcrs.pcr8.has_value());
    EXPECT_TRUE(measured->crc_matches);
}

TEST(MeasureTest, OneRamdisk) {
    Forgery forgery = plain();
    forgery.sections.pop_back();
    const auto measured = measure_text(forge(forgery));
    ASSERT_TRUE(measured.ok());
    EXPECT_EQ(measured->measurements.pcr0, measured->measurements.pcr1);
    EXPECT_EQ(to_hex(measured->measurements.pcr2), kPcrOfNothing);
}

TEST(MeasureTest, TakesSectionsInFileOrder) {
    // Both the third ramdisk and a command line after the ramdisks go where formats.md 1.6 says.
    Forgery forgery = plain();
    forgery.sections.push_back({3, "third", 0, 0, false});
    std::rotate(forgery.sections.begin() + 1, forgery.sections.begin() + 2, forgery.sections.end());
    const auto measured = measure_text(forge(forgery));
    ASSERT_TRUE(measured.ok()) << measured.error().message();
    EXPECT_EQ(to_hex(measured->measurements.pcr0),
              tool_pcr("KERNELfirst ramdisksecond ramdiskthirdreboot=k panic=30"));
    EXPECT_EQ(to_hex(measured->measurements.pcr1),
              tool_pcr("KERNELfirst ramdiskreboot=k panic=30"));
    EXPECT_EQ(to_hex(measured->measurements.pcr2), tool_pcr("second ramdiskthird"));
}

TEST(MeasureTest, MetadataIsNotMeasured) {
    Forgery forgery = plain();
    const auto before = measure_text(forge(forgery));
    forgery.sections[2].data = "other";
    const auto after = measure_text(forge(forgery));
    ASSERT_TRUE(before.ok() && after.ok());
    EXPECT_EQ(before->measurements, after->measurements);
    EXPECT_NE(before->crc, after->crc);
}

TEST(MeasureTest, TellsAWrongCrc) {
    Forgery forgery = plain();
    forgery.crc_difference = 1;
    const auto measured = measure_text(forge(forgery));
    ASSERT_TRUE(measured.ok());
    EXPECT_FALSE(measured->crc_matches);
}

TEST(MeasureTest, TheCrcCoversEveryByte) {
    const std::string image = forge(plain());
    for (std::size_t i = 0; i < image.size(); ++i) {
        std::string changed = image;
        changed[i] = static_cast<char>(changed[i] ^ 0x10);
        const auto measured = measure_text(changed);
        EXPECT_TRUE(!measured.ok() || !measured->crc_matches) << i;
    }
}

TEST(MeasureTest, LargeSectionsCrossBuffers) {
    Forgery forgery = plain();
    forgery.sections[0].data = std::string((1U << 20U) + 1, 'k');
    forgery.sections[3].data = std::string((3U << 20U) - 7, 'a');
    forgery.sections[4].data = std::string((2U << 20U), 'b');
    const auto measured = measure_text(forge(forgery));
    ASSERT_TRUE(measured.ok());
    const std::string base = forgery.sections[0].data + forgery.sections[1].data;
    EXPECT_EQ(to_hex(measured->measurements.pcr0),
              tool_pcr(base + forgery.sections[3].data + forgery.sections[4].data));
    EXPECT_EQ(to_hex(measured->measurements.pcr1), tool_pcr(base + forgery.sections[3].data));
    EXPECT_EQ(to_hex(measured->measurements.pcr2), tool_pcr(forgery.sections[4].data));
    EXPECT_TRUE(measured->crc_matches);
}

class MeasurerTest : public testing::TestWithParam<Measurer::Threads> {
protected:
    void SetUp() override {
        forgery_ = plain();
        forgery_.sections[4].data = std::string(100000, 'r');
        fd_ = memory_file(forge(forgery_));
        auto index = read_index(fd_.get());
        ASSERT_TRUE(index.ok());
        index_ = std::move(*index);
    }

    Forgery forgery_;
    UniqueFd fd_;
    Index index_;
};

TEST_P(MeasurerTest, MeasuresWhatItIsFedInAnyPieces) {
    const auto expected = measure(fd_.get());
    ASSERT_TRUE(expected.ok());
    for (const std::size_t piece : {1U, 7U, 40000U, 1000000U}) {
        Measurer measurer(index_, GetParam());
        for (std::size_t i = 0; i < index_.sections.size(); ++i) {
            ASSERT_TRUE(measurer.begin(index_.sections[i]).ok());
            ByteView data = as_bytes(forgery_.sections[i].data);
            while (!data.empty()) {
                const std::size_t size = std::min(piece, data.size());
                ASSERT_TRUE(measurer.update(data.first(size)).ok());
                data = data.subspan(size);
            }
        }
        const auto measured = measurer.finish();
        ASSERT_TRUE(measured.ok());
        EXPECT_EQ(measured->measurements, expected->measurements);
        EXPECT_TRUE(measured->crc_matches);
    }
}

TEST_P(MeasurerTest, RefusesToBeFedOutOfTurn) {
    Measurer measurer(index_, GetParam());
    EXPECT_TRUE(measurer.finish().error().is(EifErrc::misuse));
    EXPECT_TRUE(measurer.update(as_bytes("x")).error().is(EifErrc::misuse));
    EXPECT_TRUE(measurer.begin(index_.sections[1]).error().is(EifErrc::misuse));
    ASSERT_TRUE(measurer.begin(index_.sections[0]).ok());
    ASSERT_TRUE(measurer.update(as_bytes("KERN")).ok());
    EXPECT_TRUE(measurer.begin(index_.sections[1]).error().is(EifErrc::misuse));
    EXPECT_TRUE(measurer.update(as_bytes("ELS")).error().is(EifErrc::misuse));
    ASSERT_TRUE(measurer.update(as_bytes("EL")).ok());
    ASSERT_TRUE(measurer.begin(index_.sections[1]).ok());
    EXPECT_TRUE(measurer.finish().error().is(EifErrc::misuse));
}

INSTANTIATE_TEST_SUITE_P(Threads, MeasurerTest,
                         testing::Values(Measurer::Threads::one, Measurer::Threads::two));

}  // namespace
}  // namespace casemate::eif
