#include "base/bytes.hpp"

#include <gtest/gtest.h>

namespace casemate {
namespace {

TEST(ByteReader, ReadsBothByteOrdersAndStopsAtTheEnd) {
    const Bytes bytes{0x01, 0x02, 0x03, 0x04, 0x05, 0x06};
    ByteReader reader(bytes);
    std::uint16_t big = 0;
    std::uint32_t little = 0;
    ASSERT_TRUE(reader.read_be(big));
    ASSERT_TRUE(reader.read_le(little));
    EXPECT_EQ(big, 0x0102U);
    EXPECT_EQ(little, 0x06050403U);
    EXPECT_TRUE(reader.empty());
    EXPECT_FALSE(reader.skip(1));
}

TEST(ByteReader, AFailedReadMovesNothing) {
    const Bytes bytes{0xaa};
    ByteReader reader(bytes);
    std::uint32_t value = 7;
    EXPECT_FALSE(reader.read_be(value));
    EXPECT_EQ(value, 7U);
    EXPECT_EQ(reader.remaining(), 1U);
}

TEST(ByteWriter, WritesWhatTheReaderReads) {
    Bytes bytes;
    ByteWriter writer(bytes);
    writer.put_be<std::uint64_t>(0x0102030405060708);
    writer.put_le<std::uint16_t>(0xbeef);
    EXPECT_EQ(to_hex(bytes), "0102030405060708efbe");
}

TEST(Hex, RefusesOddLengthsAndOtherCharacters) {
    EXPECT_EQ(from_hex("00fFA5"), (Bytes{0x00, 0xff, 0xa5}));
    EXPECT_FALSE(from_hex("0"));
    EXPECT_FALSE(from_hex("0g"));
}

TEST(CheckedArithmetic, SaysWhenAResultDoesNotFit) {
    EXPECT_EQ(checked_add<std::uint32_t>(1, 2), 3U);
    EXPECT_FALSE(checked_add<std::uint32_t>(0xffffffff, 1));
    EXPECT_FALSE(checked_multiply<std::uint64_t>(1ULL << 33U, 1ULL << 31U));
    EXPECT_EQ(align_up<std::uint64_t>(4097, 4096), 8192U);
    EXPECT_FALSE(align_up<std::uint64_t>(~0ULL, 4096));
}

}  // namespace
}  // namespace casemate
