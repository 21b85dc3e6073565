#include "machine/kernel_image.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace casemate::machine {
namespace {

void put_at(Bytes& file, std::size_t offset, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) {
        file.at(offset + i) = static_cast<std::uint8_t>(value >> (8 * i));
    }
}

// bzimage is a bzImage's header with two sectors of set-up code and 4,096 bytes of kernel.
Bytes bzimage() {
    Bytes file(3 * 512 + 4096);
    put_at(file, 0x1f1, 2, 1);
    put_at(file, 0x1fe, 0xaa55, 2);
    put_at(file, 0x200, 0xeb, 1);
    put_at(file, 0x201, 0x6a, 1);
    put_at(file, 0x202, 0x53726448, 4);
    put_at(file, 0x206, 0x020f, 2);
    put_at(file, 0x211, 1, 1);
    put_at(file, 0x22c, 0x7fffffff, 4);
    put_at(file, 0x236, 1, 2);
    put_at(file, 0x238, 2047, 4);
    put_at(file, 0x258, 0x100'0000, 8);
    put_at(file, 0x260, 0x20'0000, 4);
    return file;
}

constexpr std::size_t kTable = 64;
constexpr std::size_t kEntrySize = 56;

void put_segment(Bytes& file, std::size_t index, const KernelImage::Segment& segment,
                 std::uint32_t type = 1) {
    const std::size_t at = kTable + index * kEntrySize;
    put_at(file, at, type, 4);
    put_at(file, at + 8, segment.file_offset, 8);
    put_at(file, at + 16, 0xffff'ffff'8100'0000, 8);
    put_at(file, at + 24, segment.address, 8);
    put_at(file, at + 32, segment.file_size, 8);
    put_at(file, at + 40, segment.memory_size, 8);
}

const KernelImage::Segment kText{0x1000, 0x1000, 0x100'0000, 0x1000};
const KernelImage::Segment kData{0x2000, 0x800, 0x120'0000, 0x2000};

// vmlinux has its segments out of order and a note between them.
Bytes vmlinux() {
    Bytes file(0x3000);
    const Bytes identity{0x7f, 'E', 'L', 'F', 2, 1, 1};
    std::copy(identity.begin(), identity.end(), file.begin());
    put_at(file, 16, 2, 2);
    put_at(file, 18, 62, 2);
    put_at(file, 20, 1, 4);
    put_at(file, 24, 0x100'0123, 8);
    put_at(file, 32, kTable, 8);
    put_at(file, 54, kEntrySize, 2);
    put_at(file, 56, 3, 2);
    put_segment(file, 0, kData);
    put_segment(file, 1, {0, 0x7fff'ffff, 0, 0}, 4);
    put_segment(file, 2, kText);
    return file;
}

Result<KernelImage> parse(const Bytes& file) {
    return parse_kernel(ByteView(file).first(std::min(file.size(), kKernelHeadSize)), file.size());
}

TEST(KernelImage, ABzImageGoesToItsPreferredAddress) {
    const Bytes file = bzimage();
    const auto image = parse(file);
    ASSERT_TRUE(image) << image.error().message();
    ASSERT_EQ(image->segments.size(), 1U);
    EXPECT_EQ(image->segments[0], (KernelImage::Segment{1536, 4096, 0x100'0000, 0x20'0000}));
    EXPECT_EQ(image->entry, 0x100'0200U);
    EXPECT_EQ(image->setup_header, Bytes(file.begin() + 0x1f1, file.begin() + 0x202 + 0x6a));
    EXPECT_EQ(image->command_line_limit, 2047U);
    EXPECT_EQ(image->initrd_limit, 0x8000'0000U);
}

TEST(KernelImage, AVmlinuxGoesWhereItsSegmentsSay) {
    const auto image = parse(vmlinux());
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(image->segments, (std::vector<KernelImage::Segment>{kText, kData}));
    EXPECT_EQ(image->entry, 0x100'0123U);
    EXPECT_TRUE(image->setup_header.empty());
}

TEST(KernelImage, SetupSectorsOfZeroMeanFour) {
    Bytes file = bzimage();
    put_at(file, 0x1f1, 0, 1);
    const auto image = parse(file);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->segments[0].file_offset, 5U * 512);
}

struct Change {
    const char* what;
    std::function<void(Bytes&)> apply;
};

void expect_refused(const Bytes& good, const std::vector<Change>& changes) {
    for (const auto& change : changes) {
        Bytes file = good;
        change.apply(file);
        const auto image = parse(file);
        ASSERT_FALSE(image) << change.what;
        EXPECT_TRUE(image.error().is(MachineErrc::bad_kernel)) << change.what;
    }
}

TEST(KernelImage, RefusesBzImagesThatContradictThemselves) {
    expect_refused(
        bzimage(),
        {{"no magic", [](Bytes& file) { put_at(file, 0x202, 0, 4); }},
         {"no boot flag", [](Bytes& file) { put_at(file, 0x1fe, 0, 2); }},
         {"old protocol", [](Bytes& file) { put_at(file, 0x206, 0x020b, 2); }},
         {"no 64-bit entry", [](Bytes& file) { put_at(file, 0x236, 0, 2); }},
         {"loaded low", [](Bytes& file) { put_at(file, 0x211, 0, 1); }},
         {"below 1 MiB", [](Bytes& file) { put_at(file, 0x258, 0x9'0000, 8); }},
         {"not page-aligned", [](Bytes& file) { put_at(file, 0x258, 0x100'0001, 8); }},
         {"address overflows", [](Bytes& file) { put_at(file, 0x258, ~0ULL << 12U, 8); }},
         {"set-up code only", [](Bytes& file) { put_at(file, 0x1f1, 255, 1); }},
         {"no entry", [](Bytes& file) { file.resize(3 * 512 + 0x200); }},
         {"cut in the header", [](Bytes& file) { file.resize(0x260); }},
         {"empty", [](Bytes& file) { file.clear(); }}});
}

TEST(KernelImage, RefusesElfFilesThatContradictThemselves) {
    const auto text_with = [](KernelImage::Segment segment) {
        return [segment](Bytes& file) { put_segment(file, 2, segment); };
    };
    expect_refused(vmlinux(),
                   {{"32-bit", [](Bytes& file) { file[4] = 1; }},
                    {"big-endian", [](Bytes& file) { file[5] = 2; }},
                    {"a library", [](Bytes& file) { put_at(file, 16, 3, 2); }},
                    {"another machine", [](Bytes& file) { put_at(file, 18, 183, 2); }},
                    {"entry outside", [](Bytes& file) { put_at(file, 24, 0x100'1000, 8); }},
                    {"table outside", [](Bytes& file) { put_at(file, 32, 0x3000 - 100, 8); }},
                    {"table overflows", [](Bytes& file) { put_at(file, 32, ~0ULL, 8); }},
                    {"other entry size", [](Bytes& file) { put_at(file, 54, 32, 2); }},
                    {"too many entries", [](Bytes& file) { put_at(file, 56, 65, 2); }},
                    {"no entries", [](Bytes& file) { put_at(file, 56, 0, 2); }},
                    {"segment behind the file", text_with({0x2001, 0x1000, 0x100'0000, 0x1000})},
                    {"file range overflows", text_with({~0ULL, 0x1000, 0x100'0000, 0x1000})},
                    {"more file than memory", text_with({0x1000, 0x1000, 0x100'0000, 0xfff})},
                    {"memory overflows", text_with({0x1000, 0x1000, 0x100'0000, ~0ULL})},
                    {"below 1 MiB", text_with({0x1000, 0x1000, 0xf'f000, 0x1000})},
                    {"overlap", text_with({0x1000, 0x1000, 0x100'0000, 0x20'0001})},
                    {"cut in the header", [](Bytes& file) { file.resize(40); }}});
}

TEST(KernelImage, RefusesAHeadThatIsTooShort) {
    const Bytes file(200'000);
    EXPECT_FALSE(parse_kernel(ByteView(file).first(100), file.size()));
    EXPECT_FALSE(parse_kernel(file, 100));
}

TEST(PlaceInitrd, AsHighAsTheKernelAndTheHoleAllow) {
    auto image = parse(bzimage());
    ASSERT_TRUE(image);
    const std::uint64_t small = 64ULL << 20U;
    EXPECT_EQ(place_initrd(*image, 5000, small).value(), (GuestRange{small - 8192, 5000}));
    // Above 2 GiB, this kernel would not find it.
    EXPECT_EQ(place_initrd(*image, 4096, 8ULL << 30U).value(), (GuestRange{0x7fff'f000, 4096}));
    image->initrd_limit = kMaxMemory;
    EXPECT_EQ(place_initrd(*image, 4096, 8ULL << 30U).value(),
              (GuestRange{kDeviceHole - 4096, 4096}));
    // Too large for the space below the hole.
    EXPECT_EQ(place_initrd(*image, 4ULL << 30U, 8ULL << 30U).value().address,
              (8ULL << 30U) + (kDeviceHoleEnd - kDeviceHole) - (4ULL << 30U));
}

TEST(PlaceInitrd, BelowTheKernelWhenThereIsNoRoomAbove) {
    auto image = parse(bzimage());
    ASSERT_TRUE(image);
    image->segments[0].address = 0x300'0000;
    image->segments[0].memory_size = 0x100'0000;
    EXPECT_EQ(place_initrd(*image, 0x100'0000, 64ULL << 20U).value().address, 0x200'0000U);
}

TEST(PlaceInitrd, RefusesWhatDoesNotFit) {
    const auto image = parse(bzimage());
    ASSERT_TRUE(image);
    EXPECT_FALSE(place_initrd(*image, 60ULL << 20U, 64ULL << 20U));
    EXPECT_FALSE(place_initrd(*image, ~0ULL, 64ULL << 20U));
    EXPECT_FALSE(place_initrd(*image, 1, 16ULL << 20U));
    EXPECT_FALSE(place_initrd(*image, ~0ULL, kMaxMemory));
}

}  // namespace
}  // namespace casemate::machine
