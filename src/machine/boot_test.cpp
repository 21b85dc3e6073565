#include "machine/boot.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include "base/fd.hpp"
#include "machine/mp_table.hpp"
#include "machine/vcpu_report.hpp"

namespace casemate::machine {
namespace {

constexpr std::uint64_t kMib = 1ULL << 20U;

GuestMemory make_memory(std::uint64_t size) {
    auto file = make_memory_file("guest", size).value();
    return GuestMemory::map(file.get(), size).value();
}

template <std::unsigned_integral T>
T read_at(const GuestMemory& memory, std::uint64_t address) {
    T value = 0;
    EXPECT_TRUE(ByteReader(memory.slice(address, sizeof(T)).value()).read_le(value));
    return value;
}

BootImage good_image() {
    BootImage image;
    image.entry = 0x100'0040;
    image.initrd = {0x300'0000, 0x1234};
    image.command_line = "console=ttyS0";
    image.loaded = {{0x100'0000, 0x10'0000}, {0x300'0000, 0x2000}};
    return image;
}

TEST(CheckBootImage, TakesWhatIsInsideTheMemory) {
    const auto memory = make_memory(64 * kMib);
    EXPECT_TRUE(check_boot_image(good_image(), memory));
    auto image = good_image();
    image.initrd = {};
    EXPECT_TRUE(check_boot_image(image, memory));
}

TEST(CheckBootImage, RefusesWhatTheVmmMustNotTouchOrTrust) {
    const auto memory = make_memory(64 * kMib);
    const std::vector<std::function<void(BootImage&)>> changes{
        [](auto& image) { image.entry = 0; },
        [](auto& image) { image.entry = 0x110'0000; },
        [](auto& image) { image.entry = ~0ULL; },
        [](auto& image) { image.loaded[0].address = 0xf'f000; },
        [](auto& image) { image.loaded[0].size = 0x200'1000; },
        [](auto& image) { image.loaded[0].size = 0; },
        [](auto& image) { image.loaded[1].size = 0x1800; },
        [](auto& image) { image.loaded[1].size = ~0ULL << 12U; },
        [](auto& image) { image.loaded[1].address = 0x400'0000; },
        [](auto& image) { std::swap(image.loaded[0], image.loaded[1]); },
        [](auto& image) { image.initrd.size = 0x2001; },
        [](auto& image) { image.initrd.size = ~0ULL; },
        [](auto& image) { image.initrd.address = 0x2ff'f000; }};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        auto image = good_image();
        changes[i](image);
        const auto checked = check_boot_image(image, memory);
        ASSERT_FALSE(checked) << i;
        EXPECT_TRUE(checked.error().is(MachineErrc::bad_range));
    }
}

TEST(BootData, TheZeroPageSaysWhereThingsAre) {
    const auto memory = make_memory(64 * kMib);
    ASSERT_TRUE(write_boot_data(memory, good_image(), 2, 2));
    EXPECT_EQ(read_at<std::uint16_t>(memory, kBootParameters + 0x1fe), 0xaa55);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x202), 0x53726448U);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x218), 0x300'0000U);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x21c), 0x1234U);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x228), kCommandLine);
    // Memory map: low memory, the ROMs' place, the rest.
    EXPECT_EQ(read_at<std::uint8_t>(memory, kBootParameters + 0x1e8), 3);
    EXPECT_EQ(read_at<std::uint64_t>(memory, kBootParameters + 0x2d0 + 40), kMib);
    EXPECT_EQ(read_at<std::uint64_t>(memory, kBootParameters + 0x2d0 + 48), 63 * kMib);
    const std::string expected =
        "console=ttyS0 virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6";
    const auto text = memory.slice(kCommandLine, expected.size() + 1).value();
    EXPECT_EQ(as_text(text), expected + '\0');
}

TEST(BootData, OneProcessorAloneKeepsItsLockPrefixes) {
    const auto memory = make_memory(64 * kMib);
    ASSERT_TRUE(write_boot_data(memory, good_image(), 1, 1));
    const std::string expected = "console=ttyS0 noreplace-smp virtio_mmio.device=4K@0xd0000000:5";
    const auto text = memory.slice(kCommandLine, expected.size() + 1).value();
    EXPECT_EQ(as_text(text), expected + '\0');
}

TEST(BootData, ASetupHeaderIsKeptButForTheLoadersFields) {
    const auto memory = make_memory(64 * kMib);
    auto image = good_image();
    image.setup_header.assign(0x7b, 0x77);
    ASSERT_TRUE(write_boot_data(memory, image, 1, 0));
    EXPECT_EQ(read_at<std::uint8_t>(memory, kBootParameters + 0x1f1), 0x77);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x260), 0x77777777U);
    EXPECT_EQ(read_at<std::uint8_t>(memory, kBootParameters + 0x210), 0xff);
    EXPECT_EQ(read_at<std::uint32_t>(memory, kBootParameters + 0x218), 0x300'0000U);
}

TEST(BootData, RefusesCommandLinesThatDoNotFit) {
    const auto memory = make_memory(64 * kMib);
    auto image = good_image();
    image.command_line.assign(kCommandLineSize, 'x');
    EXPECT_FALSE(write_boot_data(memory, image, 1, 0));
    image.command_line = std::string("a\0b", 3);
    EXPECT_FALSE(write_boot_data(memory, image, 1, 0));
}

TEST(BootData, TheFirstFourGigabytesAreMappedOneToOne) {
    const auto memory = make_memory(64 * kMib);
    ASSERT_TRUE(write_boot_data(memory, good_image(), 1, 0));
    const kvm_sregs segments = boot_segments({});
    for (const std::uint64_t address : {0x0ULL, 0x100'0040ULL, 0xd000'0123ULL, 0xffff'ffffULL}) {
        EXPECT_EQ(translate(segments, memory, address), address);
    }
    EXPECT_FALSE(translate(segments, memory, 1ULL << 32U));
    EXPECT_FALSE(translate(segments, memory, 0xffff'8000'0000'0000));
}

TEST(Translate, SurvivesPageTablesOutsideOfMemory) {
    const auto memory = make_memory(64 * kMib);
    kvm_sregs segments = boot_segments({});
    segments.cr3 = 0x000f'ffff'ffff'f000;
    EXPECT_FALSE(translate(segments, memory, 0));
    kvm_regs registers = boot_registers(~0ULL);
    EXPECT_NE(describe_registers(registers, segments, memory).find("not mapped"),
              std::string::npos);
}

TEST(MpTable, BothChecksumsAreRight) {
    for (const std::uint32_t vcpus : {1U, 2U, 64U}) {
        const Bytes raw = mp_table(kMpTable, vcpus);
        const auto sum = [&raw](std::size_t begin, std::size_t size) {
            const auto first = raw.begin() + static_cast<std::ptrdiff_t>(begin);
            return std::accumulate(first, first + static_cast<std::ptrdiff_t>(size), 0U) & 0xffU;
        };
        EXPECT_EQ(sum(0, 16), 0U);
        EXPECT_EQ(as_text(ByteView(raw).first(4)), "_MP_");
        const std::size_t size = raw[20] + 256U * raw[21];
        ASSERT_EQ(16 + size, raw.size());
        EXPECT_EQ(sum(16, size), 0U);
        EXPECT_LE(kMpTable + raw.size(), kFirmwareEnd);
    }
}

}  // namespace
}  // namespace casemate::machine
