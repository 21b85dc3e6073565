#include "machine/probe.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace casemate::machine {
namespace {

TEST(ProbeKvm, AMissingDeviceIsAbsent) {
    EXPECT_EQ(probe_kvm("/nonexistent/kvm").kind, KvmKind::absent);
}

TEST(ProbeKvm, ADeviceThatIsNotKvmIsUnusable) {
    const auto probe = probe_kvm("/dev/null");
    EXPECT_EQ(probe.kind, KvmKind::unusable);
    EXPECT_FALSE(probe.detail.empty());
}

TEST(ProbeKvm, TellsHowFastThisMachineIs) {
    if (::access("/dev/kvm", R_OK | W_OK) != 0) {
        GTEST_SKIP() << "no usable /dev/kvm on this machine";
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto probe = probe_kvm();
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - begin;
    std::printf("%s; the probe took %.1f ms\n", probe.detail.c_str(), taken.count());
    ASSERT_TRUE(probe.kind == KvmKind::emulated || probe.kind == KvmKind::hardware) << probe.detail;
    EXPECT_GT(probe.nanoseconds_per_instruction, 0);
}

}  // namespace
}  // namespace casemate::machine
