#include "vmm/start.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "machine/layout.hpp"

namespace casemate::vmm {
namespace {

machine::Start good() {
    machine::Start start;
    start.memory_bytes = machine::kMinMemory;
    start.vcpu_count = 2;
    start.guest_cid = 16;
    return start;
}

TEST(CheckStart, TakesWhatAMachineCanBe) {
    EXPECT_TRUE(check_start(good()));
    auto start = good();
    start.pinned_cpus = {0, 1};
    start.memory_bytes = machine::kMaxMemory;
    EXPECT_TRUE(check_start(start));
}

TEST(CheckStart, RefusesEveryOtherNumber) {
    using Change = std::function<void(machine::Start&)>;
    const std::vector<Change> changes{
        [](auto& start) { start.memory_bytes = 0; },
        [](auto& start) { start.memory_bytes = machine::kMinMemory - machine::kPageSize; },
        [](auto& start) { start.memory_bytes = machine::kMinMemory + 1; },
        [](auto& start) { start.memory_bytes = machine::kMaxMemory + machine::kPageSize; },
        [](auto& start) { start.memory_bytes = ~0ULL << 12U; },
        [](auto& start) { start.vcpu_count = 0; },
        [](auto& start) { start.vcpu_count = machine::kMaxVcpus + 1; },
        [](auto& start) { start.pinned_cpus = {1}; },
        [](auto& start) {
            start.pinned_cpus = {1, 2, 3};
        },
        [](auto& start) { start.guest_cid = 0; },
        [](auto& start) { start.guest_cid = 3; },
        [](auto& start) { start.guest_cid = 0xffff'ffff; }};
    for (std::size_t i = 0; i < changes.size(); ++i) {
        auto start = good();
        changes[i](start);
        const auto checked = check_start(start);
        ASSERT_FALSE(checked) << i;
        EXPECT_TRUE(checked.error().is(VmmErrc::bad_request));
    }
}

TEST(TakeDescriptors, WantsExactlyFour) {
    for (std::size_t count = 0; count < 7; ++count) {
        EXPECT_EQ(take_descriptors(std::vector<UniqueFd>(count)).ok(), count == 4) << count;
    }
}

}  // namespace
}  // namespace casemate::vmm
