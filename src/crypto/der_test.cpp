#include "crypto/der.hpp"

#include <gtest/gtest.h>

#include <string>

#include "crypto/golden_for_test.hpp"

namespace casemate::crypto::der {
namespace {

bool is_der_hex(std::string_view digits) {
    const Bytes bytes = from_hex(digits).value();
    return is_der(bytes);
}

TEST(Der, TakesTheCertificatesOfAws) {
    for (const Bytes& certificate : golden_certificates()) {
        EXPECT_TRUE(is_der(certificate));
    }
}

TEST(Der, IsExactlyOneElement) {
    EXPECT_TRUE(is_der_hex("0500"));
    EXPECT_FALSE(is_der_hex(""));
    EXPECT_FALSE(is_der_hex("05"));
    EXPECT_FALSE(is_der_hex("05000500"));
    EXPECT_FALSE(is_der_hex("0401"));
    EXPECT_FALSE(is_der_hex("30030401"));
}

TEST(Der, LengthsAreShortest) {
    EXPECT_TRUE(is_der_hex("0401aa"));
    EXPECT_FALSE(is_der_hex("048101aa"));
    EXPECT_FALSE(is_der_hex("04820001aa"));
    EXPECT_TRUE(is_der_hex("048180" + std::string(256, '0')));
    EXPECT_FALSE(is_der_hex("04820080" + std::string(256, '0')));
    EXPECT_FALSE(is_der_hex("30800000")) << "indefinite";
    EXPECT_FALSE(is_der_hex("04ff00")) << "reserved";
    EXPECT_FALSE(is_der_hex("0485000000000100")) << "five bytes of length";
    EXPECT_FALSE(is_der_hex("0484ffffffff00")) << "longer than the input";
}

TEST(Der, TagNumbersAreOneByte) {
    EXPECT_FALSE(is_der_hex("1f1e00"));
    EXPECT_FALSE(is_der_hex("bf8100"));
}

TEST(Der, OnlySequencesAndSetsAreMadeOfElements) {
    EXPECT_TRUE(is_der_hex("3000"));
    EXPECT_TRUE(is_der_hex("3100"));
    EXPECT_FALSE(is_der_hex("1000"));
    EXPECT_FALSE(is_der_hex("2403040161")) << "an octet string in pieces";
    EXPECT_TRUE(is_der_hex("a003040161")) << "explicit";
    EXPECT_FALSE(is_der_hex("a0020401"));
    EXPECT_TRUE(is_der_hex("80020401")) << "implicit: anything";
}

TEST(Der, ValuesHaveOneForm) {
    EXPECT_TRUE(is_der_hex("0101ff"));
    EXPECT_TRUE(is_der_hex("010100"));
    EXPECT_FALSE(is_der_hex("010101")) << "true is 0xff";
    EXPECT_FALSE(is_der_hex("0100"));
    EXPECT_FALSE(is_der_hex("0102ffff"));
    EXPECT_TRUE(is_der_hex("020100"));
    EXPECT_TRUE(is_der_hex("02020080"));
    EXPECT_TRUE(is_der_hex("0202ff7f"));
    EXPECT_FALSE(is_der_hex("0200"));
    EXPECT_FALSE(is_der_hex("0202007f"));
    EXPECT_FALSE(is_der_hex("0202ff80"));
    EXPECT_TRUE(is_der_hex("030100"));
    EXPECT_TRUE(is_der_hex("030206c0"));
    EXPECT_FALSE(is_der_hex("0300"));
    EXPECT_FALSE(is_der_hex("030101")) << "unused bits of nothing";
    EXPECT_FALSE(is_der_hex("030208c0"));
    EXPECT_FALSE(is_der_hex("030206c1")) << "an unused bit that is set";
    EXPECT_FALSE(is_der_hex("050100"));
    EXPECT_TRUE(is_der_hex("0603551d0f"));
    EXPECT_FALSE(is_der_hex("0600"));
    EXPECT_FALSE(is_der_hex("0603558001")) << "an arc with a zero before it";
    EXPECT_FALSE(is_der_hex("06025581")) << "an arc without an end";
}

TEST(Der, SetsAreSorted) {
    EXPECT_TRUE(is_der_hex("3106020101020102"));
    EXPECT_FALSE(is_der_hex("3106020102020101"));
    EXPECT_TRUE(is_der_hex("3006020102020101")) << "a sequence is not";
}

TEST(Der, NestsNotTooDeep) {
    const auto nested = [](std::uint8_t depth) {
        Bytes bytes;
        for (std::uint8_t i = 0; i < depth; ++i) {
            bytes.push_back(kSequence);
            bytes.push_back(static_cast<std::uint8_t>(2 * (depth - i - 1)));
        }
        return bytes;
    };
    EXPECT_TRUE(is_der(nested(32)));
    EXPECT_FALSE(is_der(nested(60)));
}

}  // namespace
}  // namespace casemate::crypto::der
