#include "machine/serial.hpp"

#include <gtest/gtest.h>

#include <string>

namespace casemate::machine {
namespace {

struct Rig {
    InterruptLine line = InterruptLine::create().value();
    std::string sent;
    Serial serial{line, [this](std::uint8_t byte) { sent.push_back(static_cast<char>(byte)); }};

    std::uint8_t read(std::uint64_t offset) {
        Bytes data{0};
        serial.read(offset, data);
        return data[0];
    }
    void write(std::uint64_t offset, std::uint8_t value) { serial.write(offset, Bytes{value}); }
};

TEST(Serial, SendsWhatIsWritten) {
    Rig rig;
    rig.write(0, 'h');
    rig.write(0, 'i');
    EXPECT_EQ(rig.sent, "hi");
    EXPECT_EQ(rig.read(5), 0x60);
    EXPECT_EQ(rig.line.take(), 0U);
}

TEST(Serial, TheDivisorIsNotSent) {
    Rig rig;
    rig.write(3, 0x83);
    rig.write(0, 0x12);
    rig.write(1, 0x34);
    EXPECT_EQ(rig.read(0), 0x12);
    EXPECT_EQ(rig.read(1), 0x34);
    rig.write(3, 0x03);
    EXPECT_EQ(rig.read(1), 0);
    EXPECT_EQ(rig.sent, "");
}

TEST(Serial, InterruptsWhenTheTransmitterIsEmpty) {
    Rig rig;
    rig.write(1, 0x02);
    EXPECT_EQ(rig.line.take(), 1U);
    EXPECT_EQ(rig.read(2), 0x02);
    EXPECT_EQ(rig.read(2), 0x01);
    rig.write(0, 'x');
    EXPECT_EQ(rig.line.take(), 1U);
    rig.write(1, 0x00);
    EXPECT_EQ(rig.read(2), 0x01);
    rig.write(0, 'y');
    EXPECT_EQ(rig.line.take(), 0U);
}

TEST(Serial, LoopbackComesBackAndDoesNotLeave) {
    Rig rig;
    rig.write(4, 0x10);
    rig.write(1, 0x01);
    rig.write(0, 'z');
    EXPECT_EQ(rig.line.take(), 1U);
    EXPECT_EQ(rig.read(2), 0x04);
    EXPECT_EQ(rig.read(5), 0x61);
    EXPECT_EQ(rig.read(0), 'z');
    EXPECT_EQ(rig.read(5), 0x60);
    EXPECT_EQ(rig.sent, "");
}

TEST(Serial, WideAccessesTouchNoMoreThanTheRegisters) {
    Rig rig;
    Bytes wide(4, 0xff);
    rig.serial.read(6, wide);
    EXPECT_EQ(wide[2], 0);
    rig.serial.write(7, Bytes{1, 2, 3, 4});
    EXPECT_EQ(rig.read(7), 1);
    EXPECT_EQ(rig.sent, "");
}

}  // namespace
}  // namespace casemate::machine
