#include "machine/guest_memory.hpp"

#include <gtest/gtest.h>

#include "base/fd.hpp"

namespace casemate::machine {
namespace {

constexpr std::uint64_t kOneMib = 1ULL << 20U;

TEST(Layout, MemoryGoesAroundTheHole) {
    EXPECT_TRUE(memory_regions(0).empty());
    EXPECT_EQ(memory_regions(kOneMib), (std::vector<MemoryRegion>{{0, kOneMib, 0}}));
    EXPECT_EQ(memory_regions(kDeviceHole), (std::vector<MemoryRegion>{{0, kDeviceHole, 0}}));
    EXPECT_EQ(
        memory_regions(kDeviceHole + kPageSize),
        (std::vector<MemoryRegion>{{0, kDeviceHole, 0}, {kDeviceHoleEnd, kPageSize, kDeviceHole}}));
}

TEST(GuestMemory, SlicesAreTheFilesBytes) {
    auto file = make_memory_file("guest", kOneMib);
    ASSERT_TRUE(file);
    const auto memory = GuestMemory::map(file->get(), kOneMib);
    ASSERT_TRUE(memory) << memory.error().message();
    EXPECT_EQ(memory->size(), kOneMib);
    const Bytes text{1, 2, 3};
    ASSERT_TRUE(write_all_at(file->get(), 0x1234, text));
    const auto slice = memory->slice(0x1234, 3);
    ASSERT_TRUE(slice);
    EXPECT_EQ(Bytes(slice->begin(), slice->end()), text);
    (*slice)[0] = 9;
    Bytes back(3);
    ASSERT_TRUE(read_exactly_at(file->get(), 0x1234, back));
    EXPECT_EQ(back, (Bytes{9, 2, 3}));
}

TEST(GuestMemory, RefusesEverySliceThatLeavesItsRegion) {
    auto file = make_memory_file("guest", 2 * kOneMib);
    ASSERT_TRUE(file);
    const auto memory =
        GuestMemory::map_regions(file->get(), {{0, kOneMib, kOneMib}, {4 * kOneMib, kOneMib, 0}});
    ASSERT_TRUE(memory) << memory.error().message();
    EXPECT_TRUE(memory->slice(kOneMib - 1, 1));
    EXPECT_TRUE(memory->slice(4 * kOneMib, kOneMib));
    for (const auto& [address, size] :
         std::vector<std::pair<std::uint64_t, std::uint64_t>>{{kOneMib, 1},
                                                              {kOneMib, 0},
                                                              {kOneMib - 1, 2},
                                                              {0, kOneMib + 1},
                                                              {0, ~0ULL},
                                                              {1, ~0ULL},
                                                              {~0ULL, 1},
                                                              {~0ULL, ~0ULL},
                                                              {4 * kOneMib - 1, 2},
                                                              {5 * kOneMib, 1},
                                                              {kOneMib / 2, 4 * kOneMib}}) {
        const auto slice = memory->slice(address, size);
        ASSERT_FALSE(slice) << address << " " << size;
        EXPECT_TRUE(slice.error().is(MachineErrc::bad_range));
    }
}

TEST(GuestMemory, RegionsKeepTheirFileOffsets) {
    auto file = make_memory_file("guest", 2 * kOneMib);
    ASSERT_TRUE(file);
    const auto memory =
        GuestMemory::map_regions(file->get(), {{0, kOneMib, kOneMib}, {4 * kOneMib, kOneMib, 0}});
    ASSERT_TRUE(memory);
    memory->slice(4 * kOneMib + 5, 1).value()[0] = 7;
    Bytes back(1);
    ASSERT_TRUE(read_exactly_at(file->get(), 5, back));
    EXPECT_EQ(back[0], 7);
}

TEST(GuestMemory, RefusesRegionsThatAreNotOnes) {
    auto file = make_memory_file("guest", 2 * kOneMib);
    ASSERT_TRUE(file);
    for (const auto& regions :
         std::vector<std::vector<MemoryRegion>>{{{0, 0, 0}},
                                                {{1, kOneMib, 0}},
                                                {{0, kOneMib + 1, 0}},
                                                {{0, kOneMib, 1}},
                                                {{0, 3 * kOneMib, 0}},
                                                {{0, kOneMib, 2 * kOneMib}},
                                                {{0, 2 * kOneMib, 0}, {kOneMib, kOneMib, 0}},
                                                {{4 * kOneMib, kOneMib, 0}, {0, kOneMib, 0}},
                                                {{~0ULL << 12U, 2 * kOneMib, 0}},
                                                {{0, kOneMib, ~0ULL << 12U}}}) {
        const auto memory = GuestMemory::map_regions(file->get(), regions);
        ASSERT_FALSE(memory);
        EXPECT_TRUE(memory.error().is(MachineErrc::bad_range));
    }
    EXPECT_FALSE(GuestMemory::map(file->get(), 0));
    EXPECT_FALSE(GuestMemory::map(file->get(), kMaxMemory + kPageSize));
    EXPECT_FALSE(GuestMemory::map(-1, kOneMib));
}

}  // namespace
}  // namespace casemate::machine
