#include "machine/mmio.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace casemate::machine {
namespace {

class Recorder final : public MmioDevice {
public:
    void read(std::uint64_t offset, MutableBytes data) override {
        data[0] = static_cast<std::uint8_t>(offset);
    }
    void write(std::uint64_t offset, ByteView data) override {
        written.emplace_back(offset, Bytes(data.begin(), data.end()));
    }

    std::vector<std::pair<std::uint64_t, Bytes>> written;
};

TEST(Bus, AccessesReachTheDeviceThatHasAllOfTheirBytes) {
    Recorder device;
    Bus bus;
    ASSERT_TRUE(bus.add(0x1000, 8, device));
    Bytes data{0xff, 0xff, 0xff, 0xff};
    EXPECT_TRUE(bus.read(0x1004, data));
    EXPECT_EQ(data, (Bytes{4, 0, 0, 0}));
    EXPECT_TRUE(bus.write(0x1002, Bytes{1, 2}));
    EXPECT_THAT(device.written, testing::ElementsAre(testing::Pair(2U, Bytes{1, 2})));
    EXPECT_FALSE(bus.read(0x1005, data));
    EXPECT_FALSE(bus.read(0xfff, data));
    EXPECT_FALSE(bus.write(0x1008, data));
    EXPECT_FALSE(bus.write(~0ULL, data));
    EXPECT_EQ(data, (Bytes{4, 0, 0, 0}));
}

TEST(Bus, RefusesDevicesThatOverlap) {
    Recorder device;
    Bus bus;
    ASSERT_TRUE(bus.add(0x1000, 0x1000, device));
    EXPECT_TRUE(bus.add(0x2000, 0x1000, device));
    EXPECT_FALSE(bus.add(0x1fff, 1, device));
    EXPECT_FALSE(bus.add(0x0fff, 2, device));
    EXPECT_FALSE(bus.add(0x0, 0x10000, device));
    EXPECT_FALSE(bus.add(0x5000, 0, device));
    EXPECT_FALSE(bus.add(~0ULL, 2, device));
}

TEST(InterruptLine, CountsWhatWasRaised) {
    const auto line = InterruptLine::create();
    ASSERT_TRUE(line);
    EXPECT_EQ(line->take(), 0U);
    line->raise();
    line->raise();
    EXPECT_EQ(line->take(), 2U);
    EXPECT_EQ(line->take(), 0U);
}

}  // namespace
}  // namespace casemate::machine
