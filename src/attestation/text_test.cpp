#include "attestation/text.hpp"

#include <gtest/gtest.h>

namespace casemate::attestation {
namespace {

TEST(Text, IsMadePrintable) {
    EXPECT_EQ(printable("i-0123 ~"), "i-0123 ~");
    EXPECT_EQ(printable("\x1b[2J\n\\\xc3\xa4\x7f"), "\\x1b[2J\\x0a\\x5c\\xc3\\xa4\\x7f");
    EXPECT_EQ(printable("abcdef", 6), "abcdef");
    EXPECT_EQ(printable("abcdefg", 6), "abcdef...");
    EXPECT_EQ(printable(""), "");
}

TEST(Text, ShowsBytesInHexadecimal) {
    EXPECT_EQ(short_hex({}), "nothing");
    EXPECT_EQ(short_hex(Bytes{0x0a, 0xff}), "0aff");
    EXPECT_EQ(short_hex(Bytes(48, 1)).size(), 96U);
    EXPECT_EQ(short_hex(Bytes(49, 1)), short_hex(Bytes(48, 1)) + "... (49 bytes)");
}

}  // namespace
}  // namespace casemate::attestation
