#include "eif/reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "eif/forger.hpp"

namespace casemate::eif {
namespace {

using forger::forge;
using forger::Forgery;
using forger::memory_file;
using forger::plain;
using testing::HasSubstr;

Result<Index> read(const std::string& image) {
    const UniqueFd fd = memory_file(image);
    return read_index(fd.get());
}

void expect_refused(const std::string& image, EifErrc code, const std::string& sentence) {
    const auto index = read(image);
    ASSERT_FALSE(index.ok());
    EXPECT_TRUE(index.error().is(code)) << index.error().message();
    EXPECT_THAT(index.error().message(), HasSubstr(sentence));
}

TEST(ReaderTest, ReadsAPlainImage) {
    const auto index = read(forge(plain()));
    ASSERT_TRUE(index.ok()) << index.error().message();
    EXPECT_EQ(index->header.version, 4);
    EXPECT_EQ(index->header.architecture, Architecture::x86_64);
    EXPECT_EQ(index->header.default_memory, 1ULL << 30U);
    EXPECT_EQ(index->header.default_cpus, 2U);
    ASSERT_EQ(index->sections.size(), 5U);
    EXPECT_EQ(index->sections[0], (Section{SectionType::kernel, 548, 560, 6}));
    EXPECT_EQ(index->sections[1], (Section{SectionType::cmdline, 566, 578, 17}));
    EXPECT_EQ(index->sections[2].type, SectionType::metadata);
    EXPECT_EQ(index->sections[4].type, SectionType::ramdisk);
    EXPECT_EQ(index->find(SectionType::signature), nullptr);
    EXPECT_EQ(index->find(SectionType::ramdisk), &index->sections[3]);
}

TEST(ReaderTest, TheHeaderComesBackAsItWas) {
    const std::string image = forge(plain());
    const auto index = read(image);
    ASSERT_TRUE(index.ok());
    EXPECT_EQ(as_text(encode_header(*index)), image.substr(0, kHeaderSize));
    for (const Section& section : index->sections) {
        EXPECT_EQ(as_text(encode_section_header(section)),
                  image.substr(section.header_offset, kSectionHeaderSize));
    }
}

TEST(ReaderTest, KnowsTheArchitecture) {
    Forgery forgery = plain();
    forgery.flags = 1;
    const auto index = read(forge(forgery));
    ASSERT_TRUE(index.ok());
    EXPECT_EQ(index->header.architecture, Architecture::aarch64);
}

TEST(ReaderTest, OlderVersionsNeedNoMetadata) {
    for (const std::uint16_t version : std::initializer_list<std::uint16_t>{2, 3}) {
        Forgery forgery = plain();
        forgery.version = version;
        forgery.sections.erase(forgery.sections.begin() + 2);
        EXPECT_TRUE(read(forge(forgery)).ok());
    }
}

TEST(ReaderTest, RefusesWhatIsNoImage) {
    expect_refused("", EifErrc::not_an_image, "found an empty file");
    expect_refused("ab", EifErrc::not_an_image, "found 6162");
    expect_refused(std::string("\x7f"
                               "ELF") +
                       std::string(1000, 'x'),
                   EifErrc::not_an_image,
                   "expected the file to begin with 2e656966 (\".eif\"), found 7f454c46");
}

TEST(ReaderTest, RefusesADirectoryOrPipe) {
    const auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    EXPECT_FALSE(read_index(pipe->first.get()).ok());
}

TEST(ReaderTest, RefusesOtherVersions) {
    for (const std::uint16_t version : std::initializer_list<std::uint16_t>{0, 1, 5, 65535}) {
        Forgery forgery = plain();
        forgery.version = version;
        expect_refused(forge(forgery), EifErrc::unsupported,
                       "expected format version 2 to 4, found " + std::to_string(version));
    }
}

TEST(ReaderTest, RefusesUnknownFlags) {
    Forgery forgery = plain();
    forgery.flags = 2;
    expect_refused(forge(forgery), EifErrc::unsupported, "header flag");
    forgery = plain();
    forgery.reserved = 7;
    expect_refused(forge(forgery), EifErrc::unsupported, "found 7 and 0");
    forgery = plain();
    forgery.unused = 9;
    expect_refused(forge(forgery), EifErrc::unsupported, "found 0 and 9");
    forgery = plain();
    forgery.sections[1].flags = 3;
    expect_refused(forge(forgery), EifErrc::unsupported,
                   "section 1: expected section flags of 0, found 3");
}

TEST(ReaderTest, RefusesEveryTruncation) {
    const std::string image = forge(plain());
    for (std::size_t size = 0; size < image.size(); ++size) {
        EXPECT_FALSE(read(image.substr(0, size)).ok()) << size;
    }
    expect_refused(image.substr(0, 300), EifErrc::truncated,
                   "expected a header of 548 bytes, found a file of 300");
    expect_refused(image.substr(0, 549), EifErrc::truncated, "expected a section header");
    expect_refused(image.substr(0, image.size() - 1), EifErrc::truncated,
                   "section 4: expected 14 bytes of data, found 13");
}

TEST(ReaderTest, RefusesBytesAfterTheLastSection) {
    Forgery forgery = plain();
    forgery.trailing = "xyz";
    expect_refused(forge(forgery), EifErrc::bad_layout, "found 3 more bytes");
}

TEST(ReaderTest, RefusesImpossibleSectionCounts) {
    for (const std::uint16_t lie : std::initializer_list<std::uint16_t>{0, 1, 33, 65535}) {
        Forgery forgery = plain();
        forgery.edit = [&](auto& count, auto& /*offsets*/, auto& /*sizes*/) { count = lie; };
        expect_refused(forge(forgery), EifErrc::bad_sections,
                       "expected 2 to 32 sections, found " + std::to_string(lie));
    }
}

TEST(ReaderTest, RefusesUsedEntriesBehindTheCount) {
    Forgery forgery = plain();
    forgery.edit = [](auto& count, auto& /*offsets*/, auto& /*sizes*/) { count = 4; };
    expect_refused(forge(forgery), EifErrc::bad_layout, "unused entry 4");
    forgery.edit = [](auto& /*count*/, auto& /*offsets*/, auto& sizes) { sizes[31] = 1; };
    expect_refused(forge(forgery), EifErrc::bad_layout, "unused entry 31");
}

TEST(ReaderTest, RefusesOverlapsAndGaps) {
    Forgery forgery = plain();
    forgery.edit = [](auto& /*count*/, auto& offsets, auto& /*sizes*/) { offsets[3] = 548; };
    expect_refused(forge(forgery), EifErrc::bad_layout,
                   "found offset 548 in the header, overlapping");
    forgery.edit = [](auto& /*count*/, auto& offsets, auto& /*sizes*/) { offsets[3] += 1; };
    expect_refused(forge(forgery), EifErrc::bad_layout, "leaving a gap");
    forgery.edit = [](auto& /*count*/, auto& offsets, auto& /*sizes*/) { offsets[0] = ~0ULL; };
    expect_refused(forge(forgery), EifErrc::bad_layout, "section 0");
    // The two ramdisks swapped in the table alone: two readers, two images.
    forgery.edit = [](auto& /*count*/, auto& offsets, auto& sizes) {
        std::swap(offsets[3], offsets[4]);
        std::swap(sizes[3], sizes[4]);
    };
    expect_refused(forge(forgery), EifErrc::bad_layout, "section 3");
}

TEST(ReaderTest, RefusesSizesThatDisagree) {
    Forgery forgery = plain();
    forgery.edit = [](auto& /*count*/, auto& /*offsets*/, auto& sizes) { sizes[1] = 16; };
    expect_refused(forge(forgery), EifErrc::bad_layout,
                   "section 1: expected a size of 16 bytes as the file's header says, found 17");
}

TEST(ReaderTest, RefusesOversizedSections) {
    for (const std::uint64_t lie :
         {std::uint64_t{15}, std::uint64_t{1} << 40U, ~std::uint64_t{0}, ~std::uint64_t{0} - 560}) {
        Forgery forgery = plain();
        forgery.sections[4].size_lie = lie;
        forgery.sections[4].lies_about_size = true;
        forgery.edit = [&](auto& /*count*/, auto& /*offsets*/, auto& sizes) { sizes[4] = lie; };
        expect_refused(forge(forgery), EifErrc::truncated, "found 14 before the end of the file");
    }
}

TEST(ReaderTest, RefusesUnknownSectionTypes) {
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{0, 6, 65535}) {
        Forgery forgery = plain();
        forgery.sections[2].type = type;
        expect_refused(forge(forgery), EifErrc::unsupported,
                       "expected a section type of 1 to 5, found " + std::to_string(type));
    }
}

TEST(ReaderTest, RefusesSectionsOfLaterVersions) {
    Forgery forgery = plain();
    forgery.version = 3;
    expect_refused(forge(forgery), EifErrc::unsupported,
                   "a metadata section needs format version 4 or later, found version 3");
    forgery.version = 2;
    forgery.sections[2].type = 4;
    expect_refused(forge(forgery), EifErrc::unsupported, "a signature section needs");
}

TEST(ReaderTest, RefusesMissingSections) {
    const auto without = [](std::size_t i) {
        Forgery forgery = plain();
        forgery.sections.erase(forgery.sections.begin() + static_cast<std::ptrdiff_t>(i));
        return forgery;
    };
    expect_refused(forge(without(0)), EifErrc::bad_sections, "ramdisk after the kernel");
    expect_refused(forge(without(1)), EifErrc::bad_sections, "expected a command line section");
    expect_refused(forge(without(2)), EifErrc::bad_sections, "expected a metadata section");
    Forgery bare = without(4);
    bare.sections.pop_back();
    expect_refused(forge(bare), EifErrc::bad_sections, "expected a ramdisk section, found none");
    Forgery no_kernel;
    no_kernel.version = 2;
    no_kernel.sections = {plain().sections[1], plain().sections[1]};
    expect_refused(forge(no_kernel), EifErrc::bad_sections, "found a second");
}

TEST(ReaderTest, RefusesSecondSections) {
    for (const std::size_t i : {0U, 1U, 2U}) {
        Forgery forgery = plain();
        forgery.sections.push_back(forgery.sections[i]);
        expect_refused(forge(forgery), EifErrc::bad_sections, "found a second");
    }
}

TEST(ReaderTest, RefusesARamdiskBeforeTheKernel) {
    Forgery forgery = plain();
    std::swap(forgery.sections[0], forgery.sections[3]);
    expect_refused(forge(forgery), EifErrc::bad_sections,
                   "section 0: expected every ramdisk after the kernel");
}

TEST(ReaderTest, RefusesALongSignature) {
    Forgery forgery = plain();
    forgery.sections.push_back({4, std::string(32768, 's'), 0, 0, false});
    EXPECT_TRUE(read(forge(forgery)).ok());
    forgery.sections.back().data += 's';
    expect_refused(forge(forgery), EifErrc::bad_sections, "at most 32768 bytes, found 32769");
}

TEST(ReaderTest, ReadsTwentyNineRamdisks) {
    Forgery forgery = plain();
    while (forgery.sections.size() < kMaxSections) {
        forgery.sections.push_back({3, "more", 0, 0, false});
    }
    const auto index = read(forge(forgery));
    ASSERT_TRUE(index.ok()) << index.error().message();
    EXPECT_EQ(index->sections.size(), kMaxSections);
}

TEST(ReaderTest, ReadSectionGivesTheData) {
    const UniqueFd fd = memory_file(forge(plain()));
    const auto index = read_index(fd.get());
    ASSERT_TRUE(index.ok());
    const auto data = read_section(fd.get(), index->sections[1], 17);
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(as_text(*data), "reboot=k panic=30");
    const auto too_long = read_section(fd.get(), index->sections[1], 16);
    ASSERT_FALSE(too_long.ok());
    EXPECT_TRUE(too_long.error().is(EifErrc::bad_layout));
}

}  // namespace
}  // namespace casemate::eif
