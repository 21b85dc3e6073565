#include "machine/cpuid.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace casemate::machine {
namespace {

kvm_cpuid_entry2 entry(std::uint32_t function, std::uint32_t index, std::uint32_t fill) {
    kvm_cpuid_entry2 made{};
    made.function = function;
    made.index = index;
    made.eax = fill;
    made.ebx = fill;
    made.ecx = fill;
    made.edx = fill;
    return made;
}

std::vector<kvm_cpuid_entry2> supported() {
    std::vector<kvm_cpuid_entry2> table;
    for (const std::uint32_t leaf :
         {0x1U, 0xaU, 0x8000'0001U, 0x8000'0008U, 0x8000'000aU, 0x8000'001eU, 0x4000'0000U}) {
        table.push_back(entry(leaf, 0, 0xffff'ffff));
    }
    for (std::uint32_t level = 0; level < 5; ++level) {
        table.push_back(entry(0xb, level, 0xffff'ffff));
    }
    return table;
}

kvm_cpuid_entry2 find(const std::vector<kvm_cpuid_entry2>& table, std::uint32_t function,
                      std::uint32_t index = 0) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& each) {
        return each.function == function && each.index == index;
    });
    EXPECT_NE(found, table.end()) << function;
    return found == table.end() ? kvm_cpuid_entry2{} : *found;
}

TEST(GuestCpuid, SaysHypervisorAndHidesNestedVirtualization) {
    const auto table = guest_cpuid(supported(), 0, 1);
    const auto features = find(table, 1);
    EXPECT_NE(features.ecx & (1U << 31U), 0U);
    EXPECT_NE(features.ecx & (1U << 24U), 0U);
    EXPECT_EQ(features.ecx & (1U << 5U), 0U);
    EXPECT_EQ(features.edx & (1U << 28U), 0U);
    EXPECT_EQ(find(table, 0x8000'0001).ecx & (1U << 2U), 0U);
    EXPECT_EQ(find(table, 0x8000'000a).eax, 0U);
    EXPECT_EQ(find(table, 0xa).eax, 0U);
    EXPECT_EQ(find(table, 0x4000'0000).eax, 0xffff'ffffU);
}

TEST(GuestCpuid, EachVcpuIsACoreOfItsOwn) {
    const auto table = guest_cpuid(supported(), 2, 3);
    const auto features = find(table, 1);
    EXPECT_EQ(features.ebx >> 24U, 2U);
    EXPECT_EQ((features.ebx >> 16U) & 0xffU, 4U);
    EXPECT_NE(features.edx & (1U << 28U), 0U);
    EXPECT_EQ(find(table, 0xb, 0).ebx, 1U);
    EXPECT_EQ(find(table, 0xb, 0).ecx, 0x100U);
    EXPECT_EQ(find(table, 0xb, 1).eax, 2U);
    EXPECT_EQ(find(table, 0xb, 1).ebx, 3U);
    EXPECT_EQ(find(table, 0xb, 1).ecx, 0x201U);
    EXPECT_EQ(find(table, 0xb, 2).ecx, 2U);
    EXPECT_EQ(find(table, 0xb, 2).edx, 2U);
    EXPECT_EQ(find(table, 0x8000'0008).ecx, 0x2002U);
    EXPECT_EQ(find(table, 0x8000'001e).eax, 2U);
    EXPECT_EQ(std::count_if(table.begin(), table.end(),
                            [](const auto& each) { return each.function == 0xb; }),
              3);
}

}  // namespace
}  // namespace casemate::machine
