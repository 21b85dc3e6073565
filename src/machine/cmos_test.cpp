#include "machine/cmos.hpp"

#include <gtest/gtest.h>

namespace casemate::machine {
namespace {

std::uint8_t ask(CmosClock& clock, std::uint8_t index) {
    clock.write(0, Bytes{index});
    Bytes data{0};
    clock.read(1, data);
    return data[0];
}

TEST(CmosClock, TellsTheTimeInDecimalDigits) {
    using namespace std::chrono;
    const sys_days day = year(2031) / November / 29;
    CmosClock clock([day] { return day + hours(23) + minutes(59) + seconds(58); });
    EXPECT_EQ(ask(clock, 0x00), 0x58);
    EXPECT_EQ(ask(clock, 0x02), 0x59);
    EXPECT_EQ(ask(clock, 0x04), 0x23);
    EXPECT_EQ(ask(clock, 0x06), 0x07);  // a Saturday
    EXPECT_EQ(ask(clock, 0x07), 0x29);
    EXPECT_EQ(ask(clock, 0x08), 0x11);
    EXPECT_EQ(ask(clock, 0x09), 0x31);
    EXPECT_EQ(ask(clock, 0x32), 0x20);
}

TEST(CmosClock, IsNeverBeingUpdated) {
    CmosClock clock;
    EXPECT_EQ(ask(clock, 0x0a) & 0x80, 0);
    // The mask of non-maskable interrupts is not part of the index.
    EXPECT_EQ(ask(clock, 0x8d), 0x80);
    EXPECT_EQ(ask(clock, 0x40), 0x00);
}

TEST(CmosClock, TakesWritesWithoutEffect) {
    CmosClock clock;
    clock.write(0, Bytes{0x0b});
    clock.write(1, Bytes{0xff});
    EXPECT_EQ(ask(clock, 0x0b), 0x02);
}

}  // namespace
}  // namespace casemate::machine
