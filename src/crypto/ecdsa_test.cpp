#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crypto/agreement.hpp"
#include "crypto/key.hpp"
#include "crypto/random.hpp"
#include "crypto/rsa_for_test.hpp"

namespace casemate::crypto {
namespace {

PrivateKey new_key(Curve curve) {
    auto key = PrivateKey::generate(curve);
    EXPECT_TRUE(key.ok());
    return std::move(key).value();
}

std::size_t wanted_digest(Curve curve) {
    return curve == Curve::p256 ? 32 : curve == Curve::p384 ? 48 : 64;
}

class KeyAsKmsHasIt : public testing::TestWithParam<Curve> {};

TEST_P(KeyAsKmsHasIt, GoesThroughPkcs8) {
    const PrivateKey key = new_key(GetParam());
    const auto der = key.to_pkcs8();
    ASSERT_TRUE(der.ok()) << der.error().message();
    const auto again = PrivateKey::from_pkcs8(der->view());
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->public_key().spki(), key.public_key().spki());
    EXPECT_TRUE(std::ranges::equal(again->to_pkcs8()->view(), der->view()));
}

TEST_P(KeyAsKmsHasIt, WhatIsNoPkcs8IsRefused) {
    const auto whole = new_key(GetParam()).to_pkcs8();
    const Bytes der(whole->view().begin(), whole->view().end());
    const auto expect_bad = [](ByteView bytes) {
        const auto key = PrivateKey::from_pkcs8(bytes);
        ASSERT_FALSE(key.ok());
        EXPECT_TRUE(key.error().is(CryptoErrc::bad_encoding)) << key.error().message();
    };
    expect_bad({});
    for (std::size_t size = 1; size < der.size(); size += 7) {
        expect_bad(ByteView(der).first(size));
    }
    Bytes changed = der;
    changed.push_back(0);
    expect_bad(changed);
    // Another private number than the public key's, and another public key.
    for (const std::size_t at : {std::size_t{45}, der.size() - 1}) {
        changed = der;
        changed[at] ^= 0x01;
        expect_bad(changed);
    }
    expect_bad(rsa_key_for_test().to_pkcs8().view());
}

TEST_P(KeyAsKmsHasIt, SignsInDer) {
    const PrivateKey key = new_key(GetParam());
    const auto signature = key.sign_der(as_bytes("message"));
    ASSERT_TRUE(signature.ok()) << signature.error().message();
    const PublicKey& verifier = key.public_key();
    EXPECT_TRUE(verifier.verifies_der(as_bytes("message"), *signature));
    EXPECT_FALSE(verifier.verifies_der(as_bytes("messagf"), *signature));
    EXPECT_FALSE(new_key(GetParam()).public_key().verifies_der(as_bytes("message"), *signature));
    for (std::size_t i = 0; i < signature->size(); ++i) {
        Bytes forged = *signature;
        forged[i] ^= 0x01;
        EXPECT_FALSE(verifier.verifies_der(as_bytes("message"), forged)) << i;
    }
    EXPECT_FALSE(verifier.verifies_der(as_bytes("message"), {}));
    Bytes longer = *signature;
    longer.push_back(0);
    EXPECT_FALSE(verifier.verifies_der(as_bytes("message"), longer));
}

TEST_P(KeyAsKmsHasIt, SignsDigestsOfTheCurvesSizeOnly) {
    const PrivateKey key = new_key(GetParam());
    Bytes digest(wanted_digest(GetParam()));
    random_bytes(digest);
    const auto signature = key.sign_digest_der(digest);
    ASSERT_TRUE(signature.ok()) << signature.error().message();
    EXPECT_TRUE(key.public_key().verifies_digest_der(digest, *signature));
    EXPECT_FALSE(key.public_key().verifies_der(digest, *signature));
    Bytes forged = digest;
    forged[0] ^= 0x01;
    EXPECT_FALSE(key.public_key().verifies_digest_der(forged, *signature));
    for (const std::size_t size : {0U, 20U, 32U, 48U, 64U}) {
        if (size != digest.size()) {
            const auto refused = key.sign_digest_der(Bytes(size));
            ASSERT_FALSE(refused.ok());
            EXPECT_TRUE(refused.error().is(CryptoErrc::out_of_range));
            EXPECT_FALSE(key.public_key().verifies_digest_der(Bytes(size), *signature));
        }
    }
}

TEST_P(KeyAsKmsHasIt, BothSidesAgree) {
    const PrivateKey ours = new_key(GetParam());
    const PrivateKey theirs = new_key(GetParam());
    const auto one = agree(ours, theirs.public_key().spki());
    const auto two = agree(theirs, ours.public_key().spki());
    ASSERT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(one->size(), signature_size(GetParam()) / 2);
    EXPECT_TRUE(std::ranges::equal(one->view(), two->view()));
    const auto other = agree(new_key(GetParam()), theirs.public_key().spki());
    ASSERT_TRUE(other.ok());
    EXPECT_FALSE(std::ranges::equal(one->view(), other->view()));
}

TEST_P(KeyAsKmsHasIt, AgreesWithNothingElse) {
    const PrivateKey key = new_key(GetParam());
    for (const Curve curve : {Curve::p256, Curve::p384, Curve::p521}) {
        if (curve != GetParam()) {
            const auto refused = agree(key, new_key(curve).public_key().spki());
            ASSERT_FALSE(refused.ok());
            EXPECT_TRUE(refused.error().is(CryptoErrc::out_of_range));
        }
    }
    EXPECT_TRUE(
        agree(key, rsa_key_for_test().public_key().spki()).error().is(CryptoErrc::out_of_range));
    // A point off the curve.
    Bytes spki = new_key(GetParam()).public_key().spki();
    spki.back() ^= 0x01;
    EXPECT_TRUE(agree(key, spki).error().is(CryptoErrc::bad_encoding));
    // The point (0, 0).
    std::fill(spki.end() - static_cast<std::ptrdiff_t>(signature_size(GetParam())), spki.end(), 0);
    EXPECT_TRUE(agree(key, spki).error().is(CryptoErrc::bad_encoding));
    EXPECT_TRUE(agree(key, {}).error().is(CryptoErrc::bad_encoding));
}

INSTANTIATE_TEST_SUITE_P(Curves, KeyAsKmsHasIt,
                         testing::Values(Curve::p256, Curve::p384, Curve::p521));

TEST(KeyOnNoCurve, VerifiesNothing) {
    const auto key = PublicKey::from_spki(rsa_key_for_test().public_key().spki());
    ASSERT_TRUE(key.ok());
    const auto signature =
        rsa_key_for_test().sign(RsaScheme::pkcs1_v15, RsaHash::sha256, as_bytes("message"));
    EXPECT_FALSE(key->verifies_der(as_bytes("message"), *signature));
    EXPECT_FALSE(key->verifies_digest_der(Bytes(32), *signature));
}

// NIST's CAVP, KASValidityTest / ECC CDH primitive, P-256, COUNT = 0.
TEST(Agreement, HasTheKnownAnswer) {
    const auto key = PrivateKey::from_pkcs8(
        from_hex("3041020100301306072a8648ce3d020106082a8648ce3d030107042730250201010420"
                 "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534")
            .value());
    ASSERT_TRUE(key.ok()) << key.error().message();
    const auto secret =
        agree(*key, from_hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                             "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
                             "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac")
                        .value());
    ASSERT_TRUE(secret.ok()) << secret.error().message();
    EXPECT_EQ(to_hex(secret->view()),
              "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
}

}  // namespace
}  // namespace casemate::crypto
