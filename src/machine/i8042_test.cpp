#include "machine/i8042.hpp"

#include <gtest/gtest.h>

namespace casemate::machine {
namespace {

struct Rig {
    int resets = 0;
    I8042 controller{[this] { ++resets; }};

    std::uint8_t read(std::uint64_t offset) {
        Bytes data{0};
        controller.read(offset, data);
        return data[0];
    }
    void command(std::uint8_t value) { controller.write(4, Bytes{value}); }
    void data(std::uint8_t value) { controller.write(0, Bytes{value}); }
};

TEST(I8042, AnswersTheSelfTestOnce) {
    Rig rig;
    EXPECT_EQ(rig.read(4), 0x14);
    rig.command(0xaa);
    EXPECT_EQ(rig.read(4), 0x15);
    EXPECT_EQ(rig.read(0), 0x55);
    EXPECT_EQ(rig.read(4), 0x14);
    EXPECT_EQ(rig.read(0), 0x00);
}

TEST(I8042, KeepsItsConfiguration) {
    Rig rig;
    rig.command(0x60);
    rig.data(0x47);
    rig.command(0x20);
    EXPECT_EQ(rig.read(0), 0x47);
    // A byte for a keyboard is nobody's.
    rig.data(0xff);
    EXPECT_EQ(rig.read(4), 0x14);
    rig.command(0x20);
    EXPECT_EQ(rig.read(0), 0x47);
}

TEST(I8042, ResetsByItsCommandAndByItsOutputPort) {
    Rig rig;
    rig.command(0xd1);
    rig.data(0x01);
    rig.data(0x00);
    EXPECT_EQ(rig.resets, 0);
    rig.command(0xd1);
    rig.data(0xfe);
    EXPECT_EQ(rig.resets, 1);
    rig.command(0xfe);
    EXPECT_EQ(rig.resets, 2);
}

TEST(I8042, EveryByteIsTaken) {
    Rig rig;
    for (unsigned value = 0; value < 256; ++value) {
        rig.command(static_cast<std::uint8_t>(value));
        rig.data(static_cast<std::uint8_t>(value));
        for (std::uint64_t offset = 0; offset < I8042::kPorts; ++offset) {
            (void)rig.read(offset);
        }
    }
    EXPECT_GE(rig.resets, 1);
}

}  // namespace
}  // namespace casemate::machine
