// Keys of a real token: SoftHSM's, in a temporary directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <tuple>

#include "base/file.hpp"
#include "crypto/issue.hpp"
#include "crypto/key.hpp"
#include "crypto/token_for_test.hpp"
#include "crypto/token_rsa.hpp"

namespace casemate::crypto {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kModule = TestToken::kModule;
constexpr const char* kPin = TestToken::kPin;

class TokenKey : public testing::Test {
protected:
    static void SetUpTestSuite() {
        // Tests that fork start again from main, so that the child has no module of this process.
        GTEST_FLAG_SET(death_test_style, "threadsafe");
        missing_ = TestToken::missing();
        if (!missing_.empty()) {
            return;
        }
        auto token = TestToken::create();
        ASSERT_TRUE(token.ok()) << token.error().message();
        token_ = std::move(*token);
        for (const auto& [type, label, id] :
             {std::tuple("EC:secp384r1", "root", "01"), std::tuple("EC:prime256v1", "small", "02"),
              std::tuple("rsa:2048", "rsa", "03"), std::tuple("rsa:3072", "decrypting", "04"),
              std::tuple("rsa:2048", "another", "05"), std::tuple("rsa:1024", "short", "06")}) {
            const auto made =
                TestToken::make_key(type, label, id, type[0] == 'E' ? "sign" : "decrypt");
            ASSERT_TRUE(made.ok()) << made.error().message();
        }
    }

    static void TearDownTestSuite() { token_.reset(); }

    void SetUp() override {
        if (!missing_.empty()) {
            GTEST_SKIP() << missing_ << " is not installed";
        }
    }

    static std::string uri(const std::string& object, const std::string& pin = kPin) {
        return TestToken::uri(object, pin);
    }

    static std::string failure(const std::string& key) {
        const auto loaded = PrivateKey::from_token(key);
        EXPECT_FALSE(loaded.ok());
        if (loaded) {
            return "";
        }
        EXPECT_TRUE(loaded.error().is(CryptoErrc::token_failure)) << loaded.error().message();
        EXPECT_THAT(loaded.error().message(), Not(HasSubstr(kPin)));
        return loaded.error().message();
    }

    static inline std::string missing_;
    static inline std::optional<TestToken> token_;
};

TEST_F(TokenKey, Signs) {
    const auto key = PrivateKey::from_token(uri("object=root"));
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->public_key().curve(), Curve::p384);
    const auto signature = key->sign(as_bytes("message"));
    ASSERT_TRUE(signature.ok()) << signature.error().message();
    const auto public_key = PublicKey::from_spki(key->public_key().spki());
    ASSERT_TRUE(public_key.ok());
    EXPECT_TRUE(public_key->verifies(as_bytes("message"), *signature));
    EXPECT_FALSE(public_key->verifies(as_bytes("another"), *signature));
}

TEST_F(TokenKey, IsFoundByItsIdToo) {
    const auto by_id = PrivateKey::from_token(uri("id=%01"));
    ASSERT_TRUE(by_id.ok()) << by_id.error().message();
    const auto by_name = PrivateKey::from_token(uri("object=root"));
    ASSERT_TRUE(by_name.ok()) << by_name.error().message();
    EXPECT_EQ(by_id->public_key().spki(), by_name->public_key().spki());
    const auto small = PrivateKey::from_token(uri("object=small"));
    ASSERT_TRUE(small.ok()) << small.error().message();
    EXPECT_EQ(small->public_key().curve(), Curve::p256);
}

TEST_F(TokenKey, IssuesCertificates) {
    const auto key = PrivateKey::from_token(uri("object=root"));
    ASSERT_TRUE(key.ok()) << key.error().message();
    CertificateTemplate what;
    what.serial = {1};
    what.subject = {{"CN", "root"}};
    what.not_after = what.not_before + std::chrono::hours(1);
    what.is_ca = true;
    what.key_usage = kKeyCertSign;
    const auto root = issue(what, key->public_key(), {what.subject, &*key});
    ASSERT_TRUE(root.ok()) << root.error().message();
    EXPECT_TRUE(root->is_signed_by(key->public_key()));
    const auto again = root->public_key();
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(root->is_signed_by(*again));
}

TEST_F(TokenKey, IsNotGivenAway) {
    const auto key = PrivateKey::from_token(uri("object=root"));
    ASSERT_TRUE(key.ok()) << key.error().message();
    const auto pem = key->to_pem();
    ASSERT_FALSE(pem.ok());
    EXPECT_TRUE(pem.error().is(CryptoErrc::token_failure));
}

TEST_F(TokenKey, OutlivesTheOthersOfItsToken) {
    std::optional<PrivateKey> key;
    {
        auto loaded = PrivateKey::from_token(uri("object=root"));
        ASSERT_TRUE(loaded.ok());
        auto other = PrivateKey::from_token(uri("object=small"));
        ASSERT_TRUE(other.ok());
        key = std::move(*loaded);
    }
    EXPECT_TRUE(key->sign(as_bytes("message")).ok());
}

TEST_F(TokenKey, ThatIsMissingIsRefused) {
    EXPECT_THAT(failure(uri("object=nothing")), HasSubstr("object=nothing"));
    EXPECT_THAT(failure("pkcs11:token=other;object=root?module-path=" + std::string(kModule) +
                        "&pin-value=" + kPin),
                HasSubstr("token=other"));
}

TEST_F(TokenKey, OfAnotherKindIsRefused) {
    EXPECT_THAT(failure(uri("object=rsa")), HasSubstr("expected a private key on P-256"));
}

TEST_F(TokenKey, OfAnotherModuleIsRefused) {
    ASSERT_TRUE(PrivateKey::from_token(uri("object=root")).ok());
    EXPECT_THAT(
        failure("pkcs11:object=root?module-path=/nowhere/module.so&pin-value=" + std::string(kPin)),
        HasSubstr("/nowhere/module.so"));
}

TEST_F(TokenKey, WithoutAPinBehindOneWithItIsRefused) {
    ASSERT_TRUE(PrivateKey::from_token(uri("object=root")).ok());
    EXPECT_THAT(failure(uri("object=small", "")), HasSubstr("expected a PIN"));
}

TEST_F(TokenKey, OfRsaDecrypts) {
    const auto key = TokenRsaKey::find(uri("object=decrypting"));
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_EQ(key->public_key().bits(), 3072);
    for (const OaepHash hash : {OaepHash::sha256, OaepHash::sha1}) {
        for (const std::string_view text : {"", "a secret"}) {
            const Bytes sealed = key->public_key().encrypt(hash, as_bytes(text)).value();
            const auto opened = key->decrypt(hash, sealed);
            ASSERT_TRUE(opened.ok()) << opened.error().message();
            EXPECT_EQ(as_text(opened->view()), text);
        }
    }
    // The other hash, another key, a changed byte, another size.
    const Bytes sealed = key->public_key().encrypt(OaepHash::sha256, as_bytes("secret")).value();
    const auto another = TokenRsaKey::find(uri("object=another"));
    ASSERT_TRUE(another.ok()) << another.error().message();
    Bytes changed = sealed;
    changed[200] ^= 1U;
    for (const auto& refused :
         {key->decrypt(OaepHash::sha1, sealed), another->decrypt(OaepHash::sha256, sealed),
          key->decrypt(OaepHash::sha256, changed), key->decrypt(OaepHash::sha256, {}),
          key->decrypt(OaepHash::sha256, Bytes(sealed.size(), 0xff)),
          key->decrypt(OaepHash::sha256, ByteView(sealed).first(100))}) {
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(CryptoErrc::token_failure)) << refused.error().message();
    }
    // And it goes on.
    EXPECT_TRUE(key->decrypt(OaepHash::sha256, sealed).ok());
}

TEST_F(TokenKey, ThatCannotDecryptIsRefused) {
    const auto curve = TokenRsaKey::find(uri("object=root"));
    ASSERT_FALSE(curve.ok());
    EXPECT_THAT(curve.error().message(), HasSubstr("to be one of RSA"));
    const auto small = TokenRsaKey::find(uri("object=short"));
    ASSERT_FALSE(small.ok());
    EXPECT_THAT(small.error().message(), HasSubstr("1024"));
    const auto none = TokenRsaKey::find(uri("object=nothing"));
    ASSERT_FALSE(none.ok());
    EXPECT_TRUE(none.error().is(CryptoErrc::token_failure));
}

// In processes of their own: each is that process's first use of a token.
TEST_F(TokenKey, WithAWrongPinIsRefused) {
    EXPECT_EXIT(
        {
            const std::string said = failure(uri("object=root", "111111"));
            std::fprintf(stderr, "%s\n", said.c_str());
            _exit(HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "PIN incorrect");
}

TEST_F(TokenKey, WithoutAPinIsRefusedAndNobodyIsAsked) {
    EXPECT_EXIT(
        {
            const std::string said = failure(uri("object=root", ""));
            std::fprintf(stderr, "%s\n", said.c_str());
            _exit(HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "without a PIN in the URI");
}

TEST_F(TokenKey, WithoutItsModuleIsRefused) {
    EXPECT_EXIT(
        {
            const std::string said = failure(
                "pkcs11:object=root?module-path=/nowhere/module.so&pin-value=" + std::string(kPin));
            std::fprintf(stderr, "%s\n", said.c_str());
            _exit(HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "token failure");
}

// The PIN comes from a file when the URI says so.
TEST_F(TokenKey, TakesItsPinFromAFile) {
    const std::string file = token_->path() + "/pin";
    ASSERT_TRUE(write_file_atomically(file, as_bytes(std::string(kPin) + "\n")).ok());
    const auto key = PrivateKey::from_token("pkcs11:token=casemate;object=root?module-path=" +
                                            std::string(kModule) + "&pin-source=file:" + file);
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_TRUE(key->sign(as_bytes("message")).ok());
}

}  // namespace
}  // namespace casemate::crypto
