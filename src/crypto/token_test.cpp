// Keys of a real token: SoftHSM's, in a temporary directory.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/issue.hpp"
#include "crypto/key.hpp"

namespace casemate::crypto {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
constexpr const char* kEngine = "/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so";
constexpr const char* kPin = "864209";

// The module reads its configuration once in a process, so all tests share one token.
class TokenKey : public testing::Test {
protected:
    static void SetUpTestSuite() {
        // Tests that fork start again from main, so that the child has no module of this process.
        GTEST_FLAG_SET(death_test_style, "threadsafe");
        for (const char* file :
             {kModule, kEngine, "/usr/bin/softhsm2-util", "/usr/bin/pkcs11-tool"}) {
            if (!std::filesystem::exists(file)) {
                missing_ = file;
                return;
            }
        }
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_ = std::move(*directory);
        const std::string tokens = directory_->path() + "/tokens";
        ASSERT_EQ(mkdir(tokens.c_str(), 0700), 0);
        const std::string configuration = directory_->path() + "/softhsm2.conf";
        ASSERT_TRUE(write_file_atomically(configuration,
                                          as_bytes("directories.tokendir = " + tokens + "\n"))
                        .ok());
        ASSERT_EQ(setenv("SOFTHSM2_CONF", configuration.c_str(), 1), 0);
        run("/usr/bin/softhsm2-util", {"--init-token", "--free", "--label", "casemate", "--pin",
                                       kPin, "--so-pin", "97531864"});
        make_key("EC:secp384r1", "root", "01");
        make_key("EC:prime256v1", "small", "02");
        make_key("rsa:2048", "rsa", "03");
    }

    static void TearDownTestSuite() { directory_.reset(); }

    void SetUp() override {
        if (!missing_.empty()) {
            GTEST_SKIP() << missing_ << " is not installed";
        }
    }

    static void make_key(const std::string& type, const std::string& label, const std::string& id) {
        run("/usr/bin/pkcs11-tool",
            {"--module", kModule, "--token-label", "casemate", "--login", "--pin", kPin,
             "--keypairgen", "--key-type", type, "--label", label, "--id", id, "--usage-sign"});
    }

    static void run(const std::string& program, std::vector<std::string> arguments) {
        SpawnOptions options;
        options.program = program;
        options.arguments = std::move(arguments);
        options.environment = {std::string("SOFTHSM2_CONF=") + getenv("SOFTHSM2_CONF")};
        auto process = Process::spawn(options);
        ASSERT_TRUE(process.ok()) << process.error().message();
        const auto status = process->wait();
        ASSERT_TRUE(status.ok());
        ASSERT_EQ(status->exit_code, 0) << program << ": " << status->text();
    }

    static std::string uri(const std::string& object, const std::string& pin = kPin) {
        return "pkcs11:token=casemate;" + object + ";type=private?module-path=" + kModule +
               (pin.empty() ? "" : "&pin-value=" + pin);
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
    static inline std::optional<TemporaryDirectory> directory_;
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
    const std::string file = directory_->path() + "/pin";
    ASSERT_TRUE(write_file_atomically(file, as_bytes(std::string(kPin) + "\n")).ok());
    const auto key = PrivateKey::from_token("pkcs11:token=casemate;object=root?module-path=" +
                                            std::string(kModule) + "&pin-source=file:" + file);
    ASSERT_TRUE(key.ok()) << key.error().message();
    EXPECT_TRUE(key->sign(as_bytes("message")).ok());
}

}  // namespace
}  // namespace casemate::crypto
