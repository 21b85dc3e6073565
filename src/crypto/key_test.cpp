#include "crypto/key.hpp"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "crypto/openssl.hpp"

namespace casemate::crypto {
namespace {

using EvpKey = Owned<EVP_PKEY, EVP_PKEY_free>;

Bytes spki_of(const EVP_PKEY* key) {
    unsigned char* raw = nullptr;
    const int size = i2d_PUBKEY(key, &raw);
    const Owned<unsigned char, free_openssl> owned(raw);
    return {raw, raw + size};
}

std::string pem_of(const EVP_PKEY* key, const EVP_CIPHER* cipher) {
    const Bio bio(BIO_new(BIO_s_mem()));
    std::string password = "secret";
    const int written = PEM_write_bio_PKCS8PrivateKey(bio.get(), key, cipher, password.data(),
                                                      cipher == nullptr ? 0 : 6, nullptr, nullptr);
    EXPECT_EQ(written, 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

void expect_bad(const Result<PublicKey>& key) {
    ASSERT_FALSE(key.ok());
    EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding)) << key.error().message();
}

void expect_bad(const Result<PrivateKey>& key) {
    ASSERT_FALSE(key.ok());
    EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding)) << key.error().message();
}

class KeyOnCurve : public testing::TestWithParam<Curve> {};

TEST_P(KeyOnCurve, SignsWhatItsPublicHalfVerifies) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->public_key().curve(), GetParam());
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok()) << signature.error().message();
    EXPECT_EQ(signature->size(), signature_size(GetParam()));

    const auto public_key = PublicKey::from_spki(key->public_key().spki());
    ASSERT_TRUE(public_key.ok()) << public_key.error().message();
    EXPECT_EQ(public_key->curve(), GetParam());
    EXPECT_EQ(public_key->spki(), key->public_key().spki());
    EXPECT_TRUE(public_key->verifies(as_bytes("message"), *signature));
    EXPECT_FALSE(public_key->verifies(as_bytes("messagf"), *signature));
    EXPECT_FALSE(public_key->verifies(as_bytes(""), *signature));
}

TEST_P(KeyOnCurve, EveryFlippedByteOfASignatureIsRefused) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok());
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok());
    for (std::size_t i = 0; i < signature->size(); i += 7) {
        Bytes forged = *signature;
        forged[i] ^= 0x01;
        EXPECT_FALSE(key->public_key().verifies(as_bytes("message"), forged)) << i;
    }
}

TEST_P(KeyOnCurve, SignaturesOfOtherSizesAreRefused) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok());
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok());
    Bytes longer = *signature;
    longer.push_back(0);
    Bytes shorter = *signature;
    shorter.pop_back();
    const Bytes zeros(signature->size(), 0);
    const Bytes ones(signature->size(), 0xff);
    for (const Bytes& forged : {longer, shorter, Bytes(), zeros, ones}) {
        EXPECT_FALSE(key->public_key().verifies(as_bytes("message"), forged));
    }
}

TEST_P(KeyOnCurve, AnotherKeyDoesNotVerify) {
    const auto key = PrivateKey::generate(GetParam());
    const auto other = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok() && other.ok());
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok());
    EXPECT_FALSE(other->public_key().verifies(as_bytes("message"), *signature));
}

TEST_P(KeyOnCurve, GoesThroughPem) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok());
    const auto pem = key->to_pem();
    ASSERT_TRUE(pem.ok()) << pem.error().message();
    EXPECT_TRUE(as_text(pem->view()).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    const auto again = PrivateKey::from_pem(pem->view());
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->public_key().spki(), key->public_key().spki());
    const auto signature = again->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok());
    EXPECT_TRUE(key->public_key().verifies(as_bytes("message"), *signature));
}

TEST_P(KeyOnCurve, OnlyOneEncodingOfAPublicKeyIsTaken) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok());
    const Bytes& spki = key->public_key().spki();
    Bytes trailing = spki;
    trailing.push_back(0);
    expect_bad(PublicKey::from_spki(trailing));
    expect_bad(PublicKey::from_spki(ByteView(spki).first(spki.size() - 1)));

    const unsigned char* in = spki.data();
    const EvpKey decoded(d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size())));
    ASSERT_TRUE(decoded);
    ASSERT_EQ(EVP_PKEY_set_utf8_string_param(decoded.get(), "point-format", "compressed"), 1);
    const Bytes compressed = spki_of(decoded.get());
    ASSERT_LT(compressed.size(), spki.size());
    expect_bad(PublicKey::from_spki(compressed));
    ASSERT_EQ(EVP_PKEY_set_utf8_string_param(decoded.get(), "point-format", "hybrid"), 1);
    expect_bad(PublicKey::from_spki(spki_of(decoded.get())));
}

TEST_P(KeyOnCurve, APointOffItsCurveIsRefused) {
    const auto key = PrivateKey::generate(GetParam());
    ASSERT_TRUE(key.ok());
    Bytes spki = key->public_key().spki();
    spki.back() ^= 0x01;
    expect_bad(PublicKey::from_spki(spki));
    std::fill_n(spki.rbegin(), signature_size(GetParam()), 0xff);
    expect_bad(PublicKey::from_spki(spki));
    std::fill_n(spki.rbegin(), signature_size(GetParam()), 0x00);
    expect_bad(PublicKey::from_spki(spki));
}

INSTANTIATE_TEST_SUITE_P(Curves, KeyOnCurve,
                         testing::Values(Curve::p256, Curve::p384, Curve::p521));

TEST(PublicKey, CurveParametersWrittenOutAreRefused) {
    const EvpKey key(EVP_EC_gen("P-384"));
    ASSERT_EQ(EVP_PKEY_set_utf8_string_param(key.get(), "encoding", "explicit"), 1);
    const Bytes spki = spki_of(key.get());
    ASSERT_GT(spki.size(), 200U);
    expect_bad(PublicKey::from_spki(spki));
}

TEST(PublicKey, OtherKindsAreReadAndVerifyNothing) {
    const EvpKey rsa(EVP_RSA_gen(2048));
    const EvpKey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    const EvpKey secp256k1(EVP_EC_gen("secp256k1"));
    for (const auto* kind : {&rsa, &ed25519, &secp256k1}) {
        const Bytes spki = spki_of(kind->get());
        const auto key = PublicKey::from_spki(spki);
        ASSERT_TRUE(key.ok()) << key.error().message();
        EXPECT_EQ(key->curve(), Curve::other);
        EXPECT_EQ(key->spki(), spki);
        EXPECT_FALSE(key->verifies(as_bytes("message"), Bytes(64, 1)));
        EXPECT_FALSE(key->verifies(as_bytes("message"), {}));
        Bytes trailing = spki;
        trailing.push_back(0);
        expect_bad(PublicKey::from_spki(trailing));
    }
}

TEST(PublicKey, BytesThatAreNoKeyAreRefused) {
    expect_bad(PublicKey::from_spki({}));
    expect_bad(PublicKey::from_spki(as_bytes("no key at all")));
    expect_bad(PublicKey::from_spki(Bytes(120, 0x30)));
}

TEST(PublicKey, SeveralThreadsVerifyWithOne) {
    const auto key = PrivateKey::generate(Curve::p384);
    ASSERT_TRUE(key.ok());
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok());
    std::vector<int> verified(4, 0);
    std::vector<std::thread> threads;
    threads.reserve(verified.size());
    for (int& count : verified) {
        threads.emplace_back([&count, copy = key->public_key(), &signature] {
            for (int i = 0; i < 20; ++i) {
                count += copy.verifies(as_bytes("message"), *signature) ? 1 : 0;
                count += copy.verifies(as_bytes("another"), *signature) ? 100 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(verified, std::vector<int>(4, 20));
}

TEST(PrivateKey, OtherKindsAreRefused) {
    const EvpKey rsa(EVP_RSA_gen(2048));
    expect_bad(PrivateKey::from_pem(as_bytes(pem_of(rsa.get(), nullptr))));
    const EvpKey secp256k1(EVP_EC_gen("secp256k1"));
    expect_bad(PrivateKey::from_pem(as_bytes(pem_of(secp256k1.get(), nullptr))));
    const auto none = PrivateKey::generate(Curve::other);
    ASSERT_FALSE(none.ok());
    EXPECT_TRUE(none.error().is(CryptoErrc::library_failure));
}

TEST(PrivateKey, AnEncryptedOneIsRefusedWithoutAsking) {
    const EvpKey key(EVP_EC_gen("P-384"));
    expect_bad(PrivateKey::from_pem(as_bytes(pem_of(key.get(), EVP_aes_256_cbc()))));
}

TEST(PrivateKey, TextThatIsNoKeyIsRefused) {
    expect_bad(PrivateKey::from_pem({}));
    expect_bad(PrivateKey::from_pem(as_bytes("hello")));
    expect_bad(PrivateKey::from_pem(
        as_bytes("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")));
}

TEST(PrivateKey, SectionOneOfTwoHalvesThatDoNotBelongTogetherIsRefused) {
    const EvpKey one(EVP_EC_gen("P-384"));
    const EvpKey two(EVP_EC_gen("P-384"));
    // SEC 1: SEQUENCE { 1, OCTET STRING key, [0] curve, [1] BIT STRING point }; the point is last.
    const auto sec1 = [](const EVP_PKEY* key) {
        unsigned char* raw = nullptr;
        const int size = i2d_PrivateKey(key, &raw);
        const Owned<unsigned char, free_openssl> owned(raw);
        return Bytes(raw, raw + size);
    };
    const auto pem = [](const Bytes& der) {
        const Bio bio(BIO_new(BIO_s_mem()));
        EXPECT_GT(PEM_write_bio(bio.get(), PEM_STRING_ECPRIVATEKEY, "", der.data(),
                                static_cast<long>(der.size())),
                  0);
        char* text = nullptr;
        const long size = BIO_get_mem_data(bio.get(), &text);
        return std::string(text, static_cast<std::size_t>(size));
    };
    Bytes mixed = sec1(one.get());
    EXPECT_TRUE(PrivateKey::from_pem(as_bytes(pem(mixed))).ok());
    const Bytes other = sec1(two.get());
    std::copy_n(other.rbegin(), 96, mixed.rbegin());
    expect_bad(PrivateKey::from_pem(as_bytes(pem(mixed))));
}

// The example of RFC 6979 A.2.6 for SHA-384: a signature that somebody else made.
TEST(PublicKey, VerifiesTheSignatureOfAnRfc) {
    const auto spki = from_hex(
        "3076301006072a8648ce3d020106052b8104002203620004"
        "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64"
        "def8f0ea9055866064a254515480bc13"
        "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1"
        "288b231c3ae0d4fe7344fd2533264720");
    const auto signature = from_hex(
        "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
        "81a648152e44acf96e36dd1e80fabe46"
        "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f"
        "a329c145786e679e7b82c71a38628ac8");
    ASSERT_TRUE(spki && signature);
    const auto key = PublicKey::from_spki(*spki);
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_TRUE(key->verifies(as_bytes("sample"), *signature));
    EXPECT_FALSE(key->verifies(as_bytes("test"), *signature));
}

}  // namespace
}  // namespace casemate::crypto
