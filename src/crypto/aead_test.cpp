#include "crypto/aead.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crypto/random.hpp"

namespace casemate::crypto {
namespace {

SecretBytes secret(std::string_view hex) {
    return SecretBytes(from_hex(hex).value());
}

AeadNonce nonce(std::string_view hex) {
    AeadNonce made{};
    std::ranges::copy(from_hex(hex).value(), made.begin());
    return made;
}

// McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16.
struct Vector {
    const char* key;
    const char* nonce;
    const char* associated;
    const char* plaintext;
    const char* sealed;
};

constexpr const char* kKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
constexpr const char* kNonce = "cafebabefacedbaddecaf888";
constexpr const char* kZeroKey = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr const char* kZeroNonce = "000000000000000000000000";

const auto kVectors = std::to_array<Vector>({
    {kZeroKey, kZeroNonce, "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {kZeroKey, kZeroNonce, "", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {kKey, kNonce, "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {kKey, kNonce, "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
});

TEST(Aead, HasTheKnownAnswers) {
    for (const Vector& vector : kVectors) {
        const Bytes associated = from_hex(vector.associated).value();
        const Bytes plaintext = from_hex(vector.plaintext).value();
        const SecretBytes key = secret(vector.key);
        const auto sealed = seal(key, nonce(vector.nonce), associated, plaintext);
        ASSERT_TRUE(sealed.ok()) << sealed.error().message();
        EXPECT_EQ(to_hex(*sealed), vector.sealed);
        const auto opened = open(key, nonce(vector.nonce), associated, *sealed);
        ASSERT_TRUE(opened.ok()) << opened.error().message();
        EXPECT_EQ(to_hex(opened->view()), vector.plaintext);
    }
}

TEST(Aead, AnExpandedKeyDoesOneMessageAfterAnother) {
    const auto key = AeadKey::expand(secret(kKey));
    ASSERT_TRUE(key.ok());
    for (std::size_t size : {0U, 1U, 16U, 17U, 4096U, 0U, 70000U}) {
        Bytes plaintext(size);
        random_bytes(plaintext);
        AeadNonce fresh{};
        random_bytes(fresh);
        const auto sealed = key->seal(fresh, as_bytes("context"), plaintext);
        ASSERT_TRUE(sealed.ok());
        EXPECT_EQ(*sealed, *seal(secret(kKey), fresh, as_bytes("context"), plaintext));
        EXPECT_EQ(sealed->size(), size + kAeadTagSize);
        // What does not open leaves nothing behind for the next.
        EXPECT_FALSE(key->open(fresh, as_bytes("contexu"), *sealed).ok());
        const auto opened = key->open(fresh, as_bytes("context"), *sealed);
        ASSERT_TRUE(opened.ok());
        EXPECT_TRUE(std::ranges::equal(opened->view(), plaintext));
    }
}

void expect_closed(const Result<SecretBytes>& opened) {
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(CryptoErrc::not_opened));
    EXPECT_EQ(opened.error().detail(), "the ciphertext does not open with this key");
}

TEST(Aead, EveryChangedByteCloses) {
    const SecretBytes key = secret(kKey);
    const auto sealed = seal(key, nonce(kNonce), as_bytes("context"), as_bytes("plaintext"));
    ASSERT_TRUE(sealed.ok());
    for (std::size_t i = 0; i < sealed->size(); ++i) {
        Bytes forged = *sealed;
        forged[i] ^= 0x80;
        expect_closed(open(key, nonce(kNonce), as_bytes("context"), forged));
    }
    for (std::size_t size = 0; size < sealed->size(); ++size) {
        expect_closed(open(key, nonce(kNonce), as_bytes("context"), ByteView(*sealed).first(size)));
    }
    Bytes longer = *sealed;
    longer.push_back(0);
    expect_closed(open(key, nonce(kNonce), as_bytes("context"), longer));
    expect_closed(open(key, nonce(kNonce), as_bytes("contex"), *sealed));
    expect_closed(open(key, nonce(kNonce), {}, *sealed));
    expect_closed(open(key, nonce(kZeroNonce), as_bytes("context"), *sealed));
    expect_closed(open(secret(kZeroKey), nonce(kNonce), as_bytes("context"), *sealed));
}

TEST(Aead, TakesNoKeyOfAnotherSize) {
    for (std::size_t size : {0U, 16U, 31U, 33U}) {
        const SecretBytes key(size);
        EXPECT_TRUE(seal(key, {}, {}, {}).error().is(CryptoErrc::out_of_range));
        EXPECT_TRUE(open(key, {}, {}, Bytes(16)).error().is(CryptoErrc::out_of_range));
        EXPECT_FALSE(AeadKey::expand(key).ok());
    }
}

}  // namespace
}  // namespace casemate::crypto
