#include "crypto/mac.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace casemate::crypto {
namespace {

constexpr auto k256 = MacAlgorithm::hmac_sha256;
constexpr auto k384 = MacAlgorithm::hmac_sha384;
constexpr auto k512 = MacAlgorithm::hmac_sha512;

Bytes repeated(std::uint8_t byte, std::size_t count) {
    return Bytes(count, byte);
}

Bytes text(std::string_view characters) {
    const ByteView view = as_bytes(characters);
    return {view.begin(), view.end()};
}

std::string code(MacAlgorithm algorithm, ByteView key, ByteView message) {
    return to_hex(hmac(algorithm, key, message).view());
}

// RFC 4231 4.
struct Vector {
    Bytes key;
    Bytes message;
    const char* sha256;
    const char* sha384;
    const char* sha512;
};

const std::vector<Vector>& vectors() {
    static const std::vector<Vector> all = {
        {repeated(0x0b, 20), text("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
         "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8"
         "b2fa9cb6",
         "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274e"
         "aea3f4e4be9d914eeb61f1702e696c203a126854"},
        {text("Jefe"), text("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
         "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ec"
         "fab21649",
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65"
         "f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
        {repeated(0xaa, 20), repeated(0xdd, 50),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
         "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e1"
         "01a34f27",
         "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a4"
         "7e67c807b946a337bee8942674278859e13292fb"},
        // A key longer than a block.
        {repeated(0xaa, 131), text("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
         "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df1"
         "63f44952",
         "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd221"
         "5d6a1e5295e64f73f63f0aec8b915a985d786598"},
    };
    return all;
}

TEST(Mac, IsRfc4231s) {
    for (const Vector& vector : vectors()) {
        EXPECT_EQ(code(k256, vector.key, vector.message), vector.sha256);
        EXPECT_EQ(code(k384, vector.key, vector.message), vector.sha384);
        EXPECT_EQ(code(k512, vector.key, vector.message), vector.sha512);
    }
}

TEST(Mac, HasItsSize) {
    EXPECT_EQ(mac_size(k256), 32U);
    EXPECT_EQ(mac_size(k384), 48U);
    EXPECT_EQ(mac_size(k512), 64U);
}

TEST(Mac, EmptyKeyAndMessage) {
    constexpr const char* kNothing =
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    EXPECT_EQ(code(k256, {}, {}), kNothing);
    // Nor does the key before stay in use.
    EXPECT_NE(code(k256, text("key"), {}), kNothing);
    EXPECT_EQ(code(k256, {}, {}), kNothing);
}

TEST(Mac, VerifiesTheWholeCodeOnly) {
    for (const auto algorithm : {k256, k384, k512}) {
        const Bytes key = text("key");
        const Bytes message = text("message");
        const SecretBytes right = hmac(algorithm, key, message);
        EXPECT_TRUE(verify_hmac(algorithm, key, message, right.view()));
        EXPECT_FALSE(verify_hmac(algorithm, key, message, {}));
        EXPECT_FALSE(verify_hmac(algorithm, key, message, right.view().first(right.size() - 1)));
        EXPECT_FALSE(verify_hmac(algorithm, text("kez"), message, right.view()));
        EXPECT_FALSE(verify_hmac(algorithm, key, text("messagf"), right.view()));
        for (std::size_t i = 0; i < right.size(); ++i) {
            Bytes wrong(right.view().begin(), right.view().end());
            wrong[i] ^= 1U;
            EXPECT_FALSE(verify_hmac(algorithm, key, message, wrong));
        }
    }
}

TEST(Mac, ThreadsDontDisturbEachOther) {
    std::vector<std::thread> threads;
    threads.reserve(vectors().size());
    for (const Vector& vector : vectors()) {
        threads.emplace_back([&vector] {
            for (int i = 0; i < 2000; ++i) {
                ASSERT_EQ(code(k256, vector.key, vector.message), vector.sha256);
                ASSERT_EQ(code(k512, vector.key, vector.message), vector.sha512);
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

}  // namespace
}  // namespace casemate::crypto
