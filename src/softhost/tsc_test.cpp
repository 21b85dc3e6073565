#include "softhost/tsc.hpp"

#include <gtest/gtest.h>

namespace casemate::softhost {
namespace {

TEST(Tsc, stated_and_measured_rates_agree) {
    const auto stated = tsc_khz();
    ASSERT_TRUE(stated.ok()) << stated.error().message();
    const std::uint64_t measured = measure_tsc_khz();
    // A kernel accepts 500 ppm as the same clock; a busy machine's measurement is worse than that.
    EXPECT_NEAR(static_cast<double>(measured), static_cast<double>(*stated),
                static_cast<double>(*stated) / 100);
}

}  // namespace
}  // namespace casemate::softhost
