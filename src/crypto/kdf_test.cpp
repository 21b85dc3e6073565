#include "crypto/kdf.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace casemate::crypto {
namespace {

SecretBytes text(std::string_view value) {
    return SecretBytes(Bytes(value.begin(), value.end()));
}

SecretBytes key_material(std::string_view hex) {
    return SecretBytes(from_hex(hex).value());
}

// RFC 5869 A.1 and A.3.
TEST(Hkdf, HasTheKnownAnswers) {
    const auto first = hkdf_sha256(key_material("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"),
                                   from_hex("000102030405060708090a0b0c").value(),
                                   from_hex("f0f1f2f3f4f5f6f7f8f9").value(), 42);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(
        to_hex(first->view()),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    const auto without =
        hkdf_sha256(key_material("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), {}, {}, 42);
    ASSERT_TRUE(without.ok());
    EXPECT_EQ(
        to_hex(without->view()),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Hkdf, GivesUpTo255Blocks) {
    const auto most = hkdf_sha256(text("key"), {}, {}, 8160);
    ASSERT_TRUE(most.ok());
    EXPECT_TRUE(
        std::ranges::equal(most->view().first(32), hkdf_sha256(text("key"), {}, {}, 32)->view()));
    EXPECT_TRUE(hkdf_sha256(text("key"), {}, {}, 8161).error().is(CryptoErrc::out_of_range));
    EXPECT_TRUE(hkdf_sha256(text("key"), {}, {}, 0).error().is(CryptoErrc::out_of_range));
    EXPECT_TRUE(hkdf_sha256(SecretBytes(), {}, {}, 32).ok());
}

// RFC 7914 12.
TEST(Scrypt, HasTheKnownAnswers) {
    const auto empty = scrypt(text(""), {}, {.n = 16, .block_size = 1, .parallelism = 1}, 64);
    ASSERT_TRUE(empty.ok()) << empty.error().message();
    EXPECT_EQ(to_hex(empty->view()),
              "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
              "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    const auto password = scrypt(text("password"), as_bytes("NaCl"),
                                 {.n = 1024, .block_size = 8, .parallelism = 16}, 64);
    ASSERT_TRUE(password.ok()) << password.error().message();
    EXPECT_EQ(to_hex(password->view()),
              "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
              "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

TEST(Scrypt, TheDefaultCostIsWithinTheLimits) {
    const auto one = scrypt(text("passphrase"), as_bytes("salt"), {}, 32);
    ASSERT_TRUE(one.ok()) << one.error().message();
    const auto other = scrypt(text("passphrasf"), as_bytes("salt"), {}, 32);
    ASSERT_TRUE(other.ok());
    EXPECT_FALSE(std::ranges::equal(one->view(), other->view()));
}

TEST(Scrypt, RefusesACostThatIsNoneOrTooMuch) {
    const auto costs = std::to_array<ScryptCost>({
        {.n = 0, .block_size = 8, .parallelism = 1},
        {.n = 1, .block_size = 8, .parallelism = 1},
        {.n = 1000, .block_size = 8, .parallelism = 1},
        {.n = 1024, .block_size = 0, .parallelism = 1},
        {.n = 1024, .block_size = 8, .parallelism = 0},
        {.n = 1024, .block_size = 8, .parallelism = 17},
        {.n = 1U << 20U, .block_size = 8, .parallelism = 1},
        {.n = std::uint64_t{1} << 63U, .block_size = 8, .parallelism = 1},
        {.n = std::uint64_t{1} << 40U, .block_size = 0xffffffff, .parallelism = 16},
    });
    for (const ScryptCost& cost : costs) {
        const auto derived = scrypt(text("p"), as_bytes("s"), cost, 32);
        ASSERT_FALSE(derived.ok()) << cost.n;
        EXPECT_TRUE(derived.error().is(CryptoErrc::out_of_range)) << derived.error().message();
    }
    EXPECT_FALSE(scrypt(text("p"), {}, {.n = 16}, 0).ok());
    EXPECT_FALSE(scrypt(text("p"), {}, {.n = 16}, 1025).ok());
}

}  // namespace
}  // namespace casemate::crypto
