#include "crypto/wrapping.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "crypto/random.hpp"
#include "crypto/rsa_for_test.hpp"

namespace casemate::crypto {
namespace {

void expect_closed(const Result<SecretBytes>& opened) {
    ASSERT_FALSE(opened.ok());
    EXPECT_TRUE(opened.error().is(CryptoErrc::not_opened)) << opened.error().message();
}

TEST(Wrapping, GivesBackEverySize) {
    const SecretBytes wrapping_key = random_secret(32);
    for (const std::size_t size : {1U, 7U, 8U, 9U, 16U, 20U, 32U, 33U, 2400U, 65536U}) {
        const SecretBytes key = random_secret(size);
        const auto wrapped = wrap(wrapping_key, key.view());
        ASSERT_TRUE(wrapped.ok()) << wrapped.error().message();
        EXPECT_EQ(wrapped->size(), (size + 7) / 8 * 8 + 8);
        const auto unwrapped = unwrap(wrapping_key, *wrapped);
        ASSERT_TRUE(unwrapped.ok()) << size;
        EXPECT_TRUE(std::ranges::equal(unwrapped->view(), key.view()));
        for (std::size_t i = 0; i < wrapped->size(); i += 1 + size / 8) {
            Bytes forged = *wrapped;
            forged[i] ^= 0x01;
            expect_closed(unwrap(wrapping_key, forged));
        }
        expect_closed(unwrap(random_secret(32), *wrapped));
        expect_closed(unwrap(wrapping_key, ByteView(*wrapped).first(wrapped->size() - 8)));
        expect_closed(unwrap(wrapping_key, ByteView(*wrapped).first(wrapped->size() - 1)));
    }
    expect_closed(unwrap(wrapping_key, {}));
    expect_closed(unwrap(wrapping_key, Bytes(65552)));
}

TEST(Wrapping, SizesOutsideTheLimitsAreRefused) {
    EXPECT_TRUE(wrap(random_secret(32), {}).error().is(CryptoErrc::out_of_range));
    EXPECT_TRUE(wrap(random_secret(32), Bytes(65537)).error().is(CryptoErrc::out_of_range));
    for (const std::size_t size : {0U, 16U, 24U, 31U, 33U}) {
        EXPECT_TRUE(wrap(SecretBytes(size), Bytes(8)).error().is(CryptoErrc::out_of_range));
        EXPECT_TRUE(unwrap(SecretBytes(size), Bytes(16)).error().is(CryptoErrc::out_of_range));
    }
}

// RFC 5649 6: its AES key has 24 bytes, which a recipient takes.
TEST(Wrapping, HasTheKnownAnswers) {
    const RsaPrivateKey& recipient = rsa_key_for_test();
    const Bytes wrapping_key = from_hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8").value();
    const auto unwrap_known = [&](std::string_view wrapped) {
        Bytes whole = recipient.public_key().encrypt(OaepHash::sha256, wrapping_key).value();
        const Bytes rest = from_hex(wrapped).value();
        whole.insert(whole.end(), rest.begin(), rest.end());
        const auto unwrapped = unwrap_with(recipient, OaepHash::sha256, whole);
        return unwrapped ? to_hex(unwrapped->view()) : unwrapped.error().message();
    };
    EXPECT_EQ(unwrap_known("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"),
              "c37b7e6492584340bed12207808941155068f738");
    EXPECT_EQ(unwrap_known("afbeb0f07dfbf5419200f2ccb50bb24f"), "466f7250617369");
}

TEST(Wrapping, WrapsForWhoHasThePrivateKey) {
    const RsaPrivateKey& recipient = rsa_key_for_test();
    for (const OaepHash hash : {OaepHash::sha1, OaepHash::sha256}) {
        const SecretBytes key = rsa_key_for_test(4096).to_pkcs8();
        const auto wrapped = wrap_for(recipient.public_key(), hash, key.view());
        ASSERT_TRUE(wrapped.ok());
        const auto unwrapped = unwrap_with(recipient, hash, *wrapped);
        ASSERT_TRUE(unwrapped.ok()) << unwrapped.error().message();
        EXPECT_TRUE(std::ranges::equal(unwrapped->view(), key.view()));
        expect_closed(unwrap_with(other_rsa_key_for_test(), hash, *wrapped));
        expect_closed(unwrap_with(
            recipient, hash == OaepHash::sha1 ? OaepHash::sha256 : OaepHash::sha1, *wrapped));
        for (const std::size_t size : {0U, 255U, 256U, 264U, 272U}) {
            expect_closed(unwrap_with(recipient, hash, ByteView(*wrapped).first(size)));
        }
    }
}

TEST(Wrapping, AKeyThatIsNoneOfAesUnwrapsNothing) {
    const RsaPrivateKey& recipient = rsa_key_for_test();
    for (const std::size_t size : {0U, 8U, 31U, 33U, 64U}) {
        Bytes whole = recipient.public_key().encrypt(OaepHash::sha256, Bytes(size)).value();
        whole.resize(whole.size() + 16);
        expect_closed(unwrap_with(recipient, OaepHash::sha256, whole));
    }
}

}  // namespace
}  // namespace casemate::crypto
