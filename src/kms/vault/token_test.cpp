// Root keys behind a real token: SoftHSM's, in a temporary directory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <random>
#include <thread>
#include <tuple>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/token_for_test.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {
namespace {

using crypto::TestToken;
using ::testing::HasSubstr;
using ::testing::Not;

class TokenVault : public ::testing::Test {
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
             {std::tuple("rsa:2048", "root", "01"), std::tuple("rsa:3072", "another", "02"),
              std::tuple("rsa:1024", "short", "03"), std::tuple("EC:secp384r1", "curve", "04")}) {
            const auto made = TestToken::make_key(type, label, id, "decrypt");
            ASSERT_TRUE(made.ok()) << made.error().message();
        }
    }

    static void TearDownTestSuite() { token_.reset(); }

    TokenVault()
        : directory_(TemporaryDirectory::create().value()), place_(directory_.path() + "/kms") {}

    void SetUp() override {
        if (!missing_.empty()) {
            GTEST_SKIP() << missing_ << " is not installed";
        }
    }

    static RootKeyProtection by(const std::string& label,
                                const std::string& pin = TestToken::kPin) {
        return ByToken{TestToken::uri("object=" + label, pin)};
    }

    void expect_refused(const RootKeyProtection& protection, VaultErrc code,
                        const std::string& said) const {
        const auto vault = Vault::open(place_, protection);
        ASSERT_FALSE(vault.ok());
        EXPECT_TRUE(vault.error().is(code)) << vault.error().message();
        EXPECT_THAT(vault.error().message(), HasSubstr(said));
        EXPECT_THAT(vault.error().message(), Not(HasSubstr(TestToken::kPin)));
    }

    static std::string opened(const Vault& vault, ByteView wrapped) {
        const auto secret = vault.unwrap(wrapped, "b");
        return secret ? std::string(as_text(secret->view())) : secret.error().message();
    }

    [[nodiscard]] std::string file() const { return place_ + "/root-keys"; }

    static inline std::string missing_;
    static inline std::optional<TestToken> token_;
    TemporaryDirectory directory_;
    std::string place_;
};

TEST_F(TokenVault, OpensByItsKeyAlone) {
    auto vault = Vault::open(place_, by("root"));
    ASSERT_TRUE(vault.ok()) << vault.error().message();
    const Bytes wrapped = vault->wrap(as_bytes("secret"), "b").value();
    ASSERT_TRUE(vault->rotate().ok());
    const auto again = Vault::open(place_, by("root"));
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(opened(*again, wrapped), "secret");
    EXPECT_EQ(again->ids(), vault->ids());
    // Another process's rotation is found without the token.
    ASSERT_TRUE(vault->rotate().ok());
    EXPECT_EQ(opened(*again, vault->wrap(as_bytes("later"), "b").value()), "later");
    expect_refused(by("another"), VaultErrc::wrong_protection, "whose public key has the SHA-256");
    expect_refused(by("nothing"), VaultErrc::token_failure, "object=nothing");
    expect_refused(ByToken{"file:/nowhere"}, VaultErrc::token_failure, "pkcs11");
    expect_refused(Unprotected(), VaultErrc::wrong_protection, "a token's key, by which");
    expect_refused(ByPassphrase{SecretBytes(Bytes{1})}, VaultErrc::wrong_protection,
                   "found a passphrase");
    const Bytes content = read_file(file(), 65536).value();
    EXPECT_THAT(std::string(as_text(content)), Not(HasSubstr(TestToken::kPin)));
}

TEST_F(TokenVault, KeysThatCannotDecryptAreRefusedBeforeAnythingIsMade) {
    expect_refused(by("curve"), VaultErrc::token_failure, "to be one of RSA");
    expect_refused(by("short"), VaultErrc::wrong_protection, "1024");
    EXPECT_FALSE(read_file(file(), 65536).ok());
}

TEST_F(TokenVault, GoesFromAFileToATokenAndBack) {
    auto vault = Vault::open(place_);
    ASSERT_TRUE(vault.ok()) << vault.error().message();
    const Bytes wrapped = vault->wrap(as_bytes("secret"), "b").value();
    ASSERT_TRUE(vault->change_protection(by("root")).ok());
    expect_refused(Unprotected(), VaultErrc::wrong_protection, "a token's key");
    // What is refused leaves the file as it is.
    EXPECT_TRUE(vault->change_protection(by("short")).error().is(VaultErrc::wrong_protection));
    EXPECT_TRUE(vault->change_protection(by("nothing")).error().is(VaultErrc::token_failure));
    for (const char* label : {"root", "another", "root"}) {
        ASSERT_TRUE(vault->change_protection(by(label)).ok());
        vault = Vault::open(place_, by(label));
        ASSERT_TRUE(vault.ok()) << vault.error().message();
        EXPECT_EQ(opened(*vault, wrapped), "secret");
    }
    ASSERT_TRUE(vault->change_protection(ByPassphrase{SecretBytes(Bytes{'p'})}).ok());
    vault = Vault::open(place_, ByPassphrase{SecretBytes(Bytes{'p'})});
    ASSERT_TRUE(vault.ok()) << vault.error().message();
    ASSERT_TRUE(vault->change_protection(Unprotected()).ok());
    EXPECT_EQ(opened(Vault::open(place_).value(), wrapped), "secret");
}

TEST_F(TokenVault, ADamagedFileIsRefused) {
    ASSERT_TRUE(Vault::open(place_, by("root")).ok());
    const Bytes whole = read_file(file(), 65536).value();
    for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes changed = whole;
        changed[i] ^= 1U;
        ASSERT_TRUE(write_file_atomically(file(), changed).ok());
        EXPECT_FALSE(Vault::open(place_, by("root")).ok()) << "byte " << i;
        ASSERT_TRUE(write_file_atomically(file(), ByteView(whole).first(i)).ok());
        EXPECT_FALSE(Vault::open(place_, by("root")).ok()) << "first " << i;
    }
    ASSERT_TRUE(write_file_atomically(file(), whole).ok());
    EXPECT_TRUE(Vault::open(place_, by("root")).ok());
}

// In a process of its own: each is that process's first use of a token.
TEST_F(TokenVault, WithAWrongPinIsRefused) {
    EXPECT_EXIT(
        {
            expect_refused(by("root", "111111"), VaultErrc::token_failure, "PIN incorrect");
            expect_refused(
                ByToken{"pkcs11:token=other;object=root?module-path=" +
                        std::string(TestToken::kModule) + "&pin-value=" + TestToken::kPin},
                VaultErrc::token_failure, "token=other");
            _exit(HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "");
}

// A child protects the file in one way and the other until it is killed; each time the file is
// whole, in one of them.
TEST_F(TokenVault, AKillLeavesOneProtectionOrTheOther) {
    const auto started = Vault::open(place_);
    ASSERT_TRUE(started.ok());
    const Bytes wrapped = started->wrap(as_bytes("secret"), "b").value();
    std::mt19937 random(20260101);
    constexpr int kKills = 40;
    int protected_by_token = 0;
    for (int kill = 0; kill < kKills; ++kill) {
        auto protection = by("root");
        auto vault = Vault::open(place_, protection);
        if (vault.ok()) {
            ++protected_by_token;
        } else {
            vault = Vault::open(place_);
        }
        ASSERT_TRUE(vault.ok()) << vault.error().message();
        ASSERT_EQ(opened(*vault, wrapped), "secret");
        auto report = make_pipe();
        ASSERT_TRUE(report.ok());
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            while (vault->change_protection(by("root")).ok() &&
                   ::write(report->second.get(), "t", 1) == 1 &&
                   vault->change_protection(Unprotected()).ok()) {
            }
            ::_exit(1);
        }
        report->second.reset();
        // At any moment after the first change.
        std::array<std::uint8_t, 1> told{};
        ASSERT_EQ(read_some(report->first.get(), told).value(), 1);
        std::this_thread::sleep_for(
            std::chrono::microseconds(std::uniform_int_distribution<int>(0, 10000)(random)));
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
    }
    EXPECT_GT(protected_by_token, 0);
    EXPECT_LT(protected_by_token, kKills);
}

}  // namespace
}  // namespace casemate::kms
