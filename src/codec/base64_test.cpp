#include "codec/base64.hpp"

#include <gtest/gtest.h>

namespace casemate::codec {
namespace {

struct Pair {
    std::string_view bytes;
    std::string_view text;
};

class Base64Test : public testing::TestWithParam<Pair> {};

TEST_P(Base64Test, BothWays) {
    EXPECT_EQ(encode_base64(as_bytes(GetParam().bytes)), GetParam().text);
    const auto decoded = decode_base64(GetParam().text);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(as_text(*decoded), GetParam().bytes);
}

// RFC 4648 10, and the two characters that its words don't have.
INSTANTIATE_TEST_SUITE_P(TestVectors, Base64Test,
                         testing::Values(Pair{"", ""}, Pair{"f", "Zg=="}, Pair{"fo", "Zm8="},
                                         Pair{"foo", "Zm9v"}, Pair{"foob", "Zm9vYg=="},
                                         Pair{"fooba", "Zm9vYmE="}, Pair{"foobar", "Zm9vYmFy"},
                                         Pair{"\xfb\xff\xbf", "+/+/"}));

class Base64RefusalTest : public testing::TestWithParam<std::string_view> {};

TEST_P(Base64RefusalTest, IsRefused) {
    EXPECT_FALSE(decode_base64(GetParam()).has_value()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(Texts, Base64RefusalTest,
                         testing::Values("Z", "Zg", "Zg=", "Zm8", "Zg===", "====", "===", "=",
                                         "Z===", "Zg==Zg==", "Zm=v", "=m9v",
                                         "Zm9v=", "Zm9v====", "Zm9v\n", " Zm9", "Zm9v Zm9v", "-_-_",
                                         "Zm9\x80", "Zh==", "Zm9=", std::string_view("Zm9\0", 4)));

TEST(Base64PropertyTest, EveryByteAtEveryPlace) {
    for (unsigned value = 0; value < 256; ++value) {
        for (std::size_t size = 1; size < 8; ++size) {
            Bytes bytes(size, 0x5a);
            bytes[value % size] = static_cast<std::uint8_t>(value);
            const auto decoded = decode_base64(encode_base64(bytes));
            ASSERT_TRUE(decoded.has_value());
            EXPECT_EQ(*decoded, bytes);
        }
    }
}

}  // namespace
}  // namespace casemate::codec
