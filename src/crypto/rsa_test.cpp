#include "crypto/rsa.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <vector>

#include "crypto/der_writer.hpp"
#include "crypto/key.hpp"
#include "crypto/openssl.hpp"
#include "crypto/rsa_for_test.hpp"

namespace casemate::crypto {
namespace {

using testing::HasSubstr;

constexpr auto kSchemes = {RsaScheme::pkcs1_v15, RsaScheme::pss};
constexpr auto kEachHash = {RsaHash::sha256, RsaHash::sha384, RsaHash::sha512};

class RsaOfSize : public testing::TestWithParam<std::size_t> {};

TEST_P(RsaOfSize, GoesThroughItsEncodings) {
    const RsaPrivateKey& key = rsa_key_for_test(GetParam());
    EXPECT_EQ(key.public_key().bits(), GetParam());
    EXPECT_EQ(key.public_key().size(), GetParam() / 8);
    const auto again = RsaPrivateKey::from_pkcs8(key.to_pkcs8().view());
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->public_key().spki(), key.public_key().spki());
    EXPECT_TRUE(std::ranges::equal(again->to_pkcs8().view(), key.to_pkcs8().view()));
    const auto public_key = RsaPublicKey::from_spki(key.public_key().spki());
    ASSERT_TRUE(public_key.ok()) << public_key.error().message();
    EXPECT_EQ(public_key->bits(), GetParam());
}

TEST_P(RsaOfSize, DecryptsWhatItsPublicHalfEncrypts) {
    const RsaPrivateKey& key = rsa_key_for_test(GetParam());
    for (const OaepHash hash : {OaepHash::sha1, OaepHash::sha256}) {
        const std::size_t most = key.public_key().max_plaintext(hash);
        EXPECT_EQ(most, GetParam() / 8 - 2 - 2 * (hash == OaepHash::sha1 ? 20 : 32));
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{32}, most}) {
            const Bytes plaintext(size, 0x5a);
            const auto ciphertext = key.public_key().encrypt(hash, plaintext);
            ASSERT_TRUE(ciphertext.ok()) << ciphertext.error().message();
            EXPECT_EQ(ciphertext->size(), GetParam() / 8);
            const auto opened = key.decrypt(hash, *ciphertext);
            ASSERT_TRUE(opened.ok()) << size << " " << opened.error().message();
            EXPECT_TRUE(std::ranges::equal(opened->view(), plaintext));
        }
        const auto more = key.public_key().encrypt(hash, Bytes(most + 1));
        ASSERT_FALSE(more.ok());
        EXPECT_TRUE(more.error().is(CryptoErrc::out_of_range));
    }
}

TEST_P(RsaOfSize, SignsWhatItsPublicHalfVerifies) {
    const RsaPrivateKey& key = rsa_key_for_test(GetParam());
    for (const RsaScheme scheme : kSchemes) {
        for (const RsaHash hash : kEachHash) {
            const auto signature = key.sign(scheme, hash, as_bytes("message"));
            ASSERT_TRUE(signature.ok()) << signature.error().message();
            EXPECT_EQ(signature->size(), GetParam() / 8);
            const RsaPublicKey& verifier = key.public_key();
            EXPECT_TRUE(verifier.verifies(scheme, hash, as_bytes("message"), *signature));
            EXPECT_FALSE(verifier.verifies(scheme, hash, as_bytes("messagf"), *signature));
            for (const RsaScheme other : kSchemes) {
                for (const RsaHash another : kEachHash) {
                    EXPECT_EQ(verifier.verifies(other, another, as_bytes("message"), *signature),
                              other == scheme && another == hash);
                }
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, RsaOfSize, testing::Values(2048, 3072, 4096));

void expect_closed(const Result<SecretBytes>& opened) {
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(CryptoErrc::not_opened));
    EXPECT_EQ(opened.error().detail(), "the ciphertext does not open with this key");
    // Nothing is left for the next error to tell.
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Rsa, WhatDoesNotOpenTellsNothing) {
    const RsaPrivateKey& key = rsa_key_for_test();
    const auto ciphertext = key.public_key().encrypt(OaepHash::sha256, as_bytes("secret"));
    ASSERT_TRUE(ciphertext.ok());
    expect_closed(key.decrypt(OaepHash::sha1, *ciphertext));
    expect_closed(other_rsa_key_for_test().decrypt(OaepHash::sha256, *ciphertext));
    for (std::size_t i = 0; i < ciphertext->size(); i += 17) {
        Bytes forged = *ciphertext;
        forged[i] ^= 0x01;
        expect_closed(key.decrypt(OaepHash::sha256, forged));
    }
    expect_closed(key.decrypt(OaepHash::sha256, {}));
    expect_closed(key.decrypt(OaepHash::sha256, ByteView(*ciphertext).first(255)));
    Bytes longer = *ciphertext;
    longer.insert(longer.begin(), 0);
    expect_closed(key.decrypt(OaepHash::sha256, longer));
    expect_closed(key.decrypt(OaepHash::sha256, Bytes(256, 0x00)));
    // Above the modulus.
    expect_closed(key.decrypt(OaepHash::sha256, Bytes(256, 0xff)));
}

TEST(Rsa, EveryFlippedByteOfASignatureIsRefused) {
    const RsaPrivateKey& key = rsa_key_for_test();
    for (const RsaScheme scheme : kSchemes) {
        const auto signature = key.sign(scheme, RsaHash::sha256, as_bytes("message"));
        ASSERT_TRUE(signature.ok());
        for (std::size_t i = 0; i < signature->size(); i += 5) {
            Bytes forged = *signature;
            forged[i] ^= 0x01;
            EXPECT_FALSE(
                key.public_key().verifies(scheme, RsaHash::sha256, as_bytes("message"), forged));
        }
        Bytes longer = *signature;
        longer.insert(longer.begin(), 0);
        const auto verifies = [&](ByteView bytes) {
            return key.public_key().verifies(scheme, RsaHash::sha256, as_bytes("message"), bytes);
        };
        EXPECT_FALSE(verifies(longer));
        EXPECT_FALSE(verifies(ByteView(*signature).first(255)));
        EXPECT_FALSE(verifies({}));
        EXPECT_FALSE(other_rsa_key_for_test().public_key().verifies(
            scheme, RsaHash::sha256, as_bytes("message"), *signature));
    }
}

TEST(Rsa, ADigestStandsForItsMessage) {
    const RsaPrivateKey& key = rsa_key_for_test();
    // SHA-256 of "abc".
    const Bytes digest =
        from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad").value();
    for (const RsaScheme scheme : kSchemes) {
        const auto signature = key.sign_digest(scheme, RsaHash::sha256, digest);
        ASSERT_TRUE(signature.ok());
        const RsaPublicKey& verifier = key.public_key();
        EXPECT_TRUE(verifier.verifies(scheme, RsaHash::sha256, as_bytes("abc"), *signature));
        EXPECT_TRUE(verifier.verifies_digest(scheme, RsaHash::sha256, digest, *signature));
        EXPECT_FALSE(verifier.verifies_digest(scheme, RsaHash::sha256, ByteView(digest).first(31),
                                              *signature));
        const auto wrong = key.sign_digest(scheme, RsaHash::sha384, digest);
        ASSERT_FALSE(wrong.ok());
        EXPECT_TRUE(wrong.error().is(CryptoErrc::out_of_range));
    }
}

TEST(Rsa, OnlyThreeSizesAreGenerated) {
    for (const std::size_t bits : {0U, 512U, 1024U, 2047U, 2049U, 8192U}) {
        EXPECT_TRUE(RsaPrivateKey::generate(bits).error().is(CryptoErrc::out_of_range));
    }
}

using BigNumber = Owned<BIGNUM, BN_free>;

Bytes element(std::uint8_t tag, const Bytes& content) {
    Bytes out;
    der::append_element(out, tag, content);
    return out;
}

Bytes integer(const BIGNUM* value) {
    Bytes content(1 + static_cast<std::size_t>(BN_num_bits(value)) / 8);
    EXPECT_GE(BN_bn2binpad(value, content.data(), static_cast<int>(content.size())), 0);
    return element(0x02, content);
}

// spki_of makes a SubjectPublicKeyInfo of any two numbers.
Bytes spki_of(const BigNumber& modulus, const BigNumber& exponent) {
    Bytes numbers = integer(modulus.get());
    const Bytes second = integer(exponent.get());
    numbers.insert(numbers.end(), second.begin(), second.end());
    Bytes key = element(0x30, numbers);
    key.insert(key.begin(), 0);
    const Bytes bits = element(0x03, key);
    Bytes inside = from_hex("300d06092a864886f70d0101010500").value();
    inside.insert(inside.end(), bits.begin(), bits.end());
    return element(0x30, inside);
}

BigNumber number(std::uint64_t value) {
    BigNumber made(BN_new());
    BN_set_word(made.get(), value);
    return made;
}

// modulus_of has bits bits, and no small factor.
BigNumber modulus_of(int bits) {
    BigNumber made(BN_new());
    do {
        BN_rand(made.get(), bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    } while (
        std::ranges::any_of(std::vector<BN_ULONG>{3, 5, 7, 11, 13, 17, 19, 23, 29},
                            [&](BN_ULONG prime) { return BN_mod_word(made.get(), prime) == 0; }));
    return made;
}

void expect_refused(const Bytes& spki, std::string_view why) {
    const auto key = RsaPublicKey::from_spki(spki);
    ASSERT_FALSE(key.ok()) << why;
    EXPECT_TRUE(key.error().is(CryptoErrc::out_of_range)) << key.error().message();
    EXPECT_THAT(key.error().detail(), HasSubstr(why));
}

TEST(Rsa, PublicKeysOutsideTheLimitsAreRefused) {
    EXPECT_TRUE(RsaPublicKey::from_spki(spki_of(modulus_of(2048), number(65537))).ok());
    EXPECT_TRUE(RsaPublicKey::from_spki(spki_of(modulus_of(4096), number(~0ULL))).ok());
    for (const int bits : {512, 1024, 2047, 4097}) {
        expect_refused(spki_of(modulus_of(bits), number(65537)), "2048 to 4096 bits");
    }
    for (const std::uint64_t exponent : {0ULL, 1ULL, 2ULL, 3ULL, 65535ULL, 65536ULL, 65538ULL}) {
        expect_refused(spki_of(modulus_of(2048), number(exponent)), "odd public exponent");
    }
    BigNumber huge(BN_new());
    BN_rand(huge.get(), 65, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    expect_refused(spki_of(modulus_of(2048), huge), "odd public exponent");
    BigNumber even = modulus_of(2048);
    BN_sub_word(even.get(), 1);
    expect_refused(spki_of(even, number(65537)), "small factor");
    for (const BN_ULONG prime : {3UL, 29UL}) {
        BigNumber composite = modulus_of(2048);
        BN_sub_word(composite.get(), BN_mod_word(composite.get(), prime));
        if (BN_is_odd(composite.get()) == 0) {
            BN_add_word(composite.get(), prime);
        }
        expect_refused(spki_of(composite, number(65537)), "small factor");
    }
}

void expect_bad(ByteView spki) {
    const auto key = RsaPublicKey::from_spki(spki);
    ASSERT_FALSE(key.ok());
    EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding)) << key.error().message();
}

TEST(Rsa, OnlyRsaEncryptionInDerIsAPublicKey) {
    const Bytes spki = rsa_key_for_test().public_key().spki();
    expect_bad({});
    expect_bad(PrivateKey::generate(Curve::p256)->public_key().spki());
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{4}, std::size_t{30}, spki.size() - 1}) {
        expect_bad(ByteView(spki).first(size));
    }
    Bytes changed = spki;
    changed.push_back(0);
    expect_bad(changed);
    // The algorithm: rsassaPss (…1.10) instead of rsaEncryption (…1.1).
    changed = spki;
    changed[16] = 0x0a;
    expect_bad(changed);
    // A negative modulus: without the zero in front of it.
    const auto modulus =
        std::ranges::search(spki, std::to_array<std::uint8_t>({0x02, 0x82, 0x01, 0x01, 0x00}));
    ASSERT_FALSE(modulus.empty());
    changed = spki;
    const auto at = modulus.begin() - spki.begin();
    changed[static_cast<std::size_t>(at) + 4] = 0x80;
    expect_bad(changed);
    // Unused bits in the BIT STRING.
    const auto bits =
        std::ranges::search(spki, std::to_array<std::uint8_t>({0x03, 0x82, 0x01, 0x0f, 0x00}));
    ASSERT_FALSE(bits.empty());
    changed = spki;
    changed[static_cast<std::size_t>(bits.begin() - spki.begin()) + 4] = 0x01;
    expect_bad(changed);
    // The length in BER.
    changed = spki;
    changed[1] = 0x83;
    changed.insert(changed.begin() + 2, 0x00);
    expect_bad(changed);
}

TEST(Rsa, OnlyAPrivateKeyWhoseNumbersBelongTogetherIsRead) {
    const SecretBytes whole = rsa_key_for_test().to_pkcs8();
    const Bytes der(whole.view().begin(), whole.view().end());
    const auto expect_bad_key = [](ByteView bytes) {
        const auto key = RsaPrivateKey::from_pkcs8(bytes);
        ASSERT_FALSE(key.ok());
        EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding)) << key.error().message();
    };
    expect_bad_key({});
    expect_bad_key(PrivateKey::generate(Curve::p384)->to_pkcs8()->view());
    expect_bad_key(ByteView(der).first(der.size() - 1));
    Bytes longer = der;
    longer.push_back(0);
    expect_bad_key(longer);
    // One bit in the modulus, in the private exponent, and in each prime.
    for (const std::size_t at :
         {std::size_t{60}, std::size_t{400}, std::size_t{640}, std::size_t{780}}) {
        Bytes changed = der;
        changed[at] ^= 0x04;
        expect_bad_key(changed);
    }
}

TEST(Rsa, SeveralThreadsUseOneKey) {
    const RsaPrivateKey& key = rsa_key_for_test();
    std::vector<std::thread> threads;
    std::array<bool, 4> held{};
    for (bool& one : held) {
        threads.emplace_back([&key, &one] {
            one = true;
            for (int i = 0; i < 10; ++i) {
                const auto sealed = key.public_key().encrypt(OaepHash::sha256, as_bytes("x"));
                const auto opened = key.decrypt(OaepHash::sha256, *sealed);
                one = one && opened.ok() && as_text(opened->view()) == "x";
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_THAT(held, testing::Each(true));
}

}  // namespace
}  // namespace casemate::crypto
