// The whole flow with the root's and the region's keys in a real token.
#include <filesystem>
#include <fstream>
#include <optional>

#include "authority/authority.hpp"
#include "authority/chain_for_test.hpp"
#include "authority/keeper.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/token_for_test.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::authority {
namespace {

namespace fs = std::filesystem;
using crypto::Seconds;
using crypto::TestToken;
using std::chrono::days;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const Seconds kTokenTime{seconds(1790000000)};

class AuthorityTokenTest : public testing::Test {
protected:
    static void SetUpTestSuite() {
        missing_ = TestToken::missing();
        if (!missing_.empty()) {
            return;
        }
        auto token = TestToken::create();
        ASSERT_TRUE(token) << token.error().message();
        token_ = std::move(*token);
        int number = 10;
        for (const char* label : {"root", "region", "root2", "region2"}) {
            const auto made = TestToken::make_key("EC:secp384r1", label, std::to_string(++number));
            ASSERT_TRUE(made) << made.error().message();
        }
        ASSERT_TRUE(TestToken::make_key("EC:prime256v1", "small", "30"));
    }
    static void TearDownTestSuite() { token_.reset(); }

    void SetUp() override {
        if (!missing_.empty()) {
            GTEST_SKIP() << missing_ << " is not installed";
        }
        temporary_.emplace(TemporaryDirectory::create().value());
        const std::string pin = temporary_->path() + "/pin";
        ASSERT_TRUE(write_file_atomically(pin, as_bytes(std::string(TestToken::kPin) + "\n")));
        pin_source_ = "&pin-source=file:" + pin;
    }

    // A URI without the PIN itself.
    std::string uri(const std::string& label) const {
        return TestToken::uri("object=" + label, "") + pin_source_;
    }
    std::string directory() const { return temporary_->path() + "/authority"; }
    Authority authority() const { return {directory(), {"i-12345678", "local", ""}}; }

    IssuedChain chain(Seconds now) const {
        const auto key = crypto::PrivateKey::generate(crypto::Curve::p384).value();
        LeafRequest request{key.public_key().spki(), "i-12345678-enc0000000000000001", 1,
                            attestation::Isolation::kvm, false};
        request.module_id = "i-12345678-enc0000000000000001";
        auto certified = authority().certify(request, now);
        EXPECT_TRUE(certified) << certified.error().message();
        if (!certified) {
            return {};
        }
        EXPECT_EQ(problem_of(certified->chain, now), "");
        return std::move(certified->chain);
    }

    static Bytes key_of(const Bytes& der) {
        return crypto::Certificate::from_der(der)->public_key()->spki();
    }

    static inline std::string missing_;
    static inline std::optional<TestToken> token_;
    std::optional<TemporaryDirectory> temporary_;
    std::string pin_source_;
};

TEST_F(AuthorityTokenTest, KeysOfATokenSignAndAreNotInTheStore) {
    ASSERT_TRUE(authority().init({uri("root"), uri("region")}, kTokenTime));
    const IssuedChain first = chain(kTokenTime);
    for (const auto& entry : fs::directory_iterator(directory())) {
        const Bytes bytes = read_file(entry.path(), 65536).value();
        const std::string text(as_text(bytes));
        const std::string name = entry.path().filename();
        const bool upper = name == "level-root.pem" || name == "level-region.pem";
        EXPECT_EQ(text.find("PRIVATE KEY") != std::string::npos,
                  name.starts_with("level-") && !upper)
            << name;
        EXPECT_THAT(text, Not(HasSubstr(TestToken::kPin))) << name;
    }
    const auto levels = authority().status(kTokenTime).value();
    EXPECT_EQ(levels[0].key, uri("root"));
    EXPECT_EQ(levels[1].key, uri("region"));

    // The region is renewed with its key; zones and instances have keys of their own each time.
    const IssuedChain later = chain(kTokenTime + days(30));
    EXPECT_EQ(later.bundle[0], first.bundle[0]);
    EXPECT_NE(later.bundle[1], first.bundle[1]);
    EXPECT_EQ(key_of(later.bundle[1]), key_of(first.bundle[1]));
    EXPECT_NE(key_of(later.bundle[2]), key_of(first.bundle[2]));
}

TEST_F(AuthorityTokenTest, RotationTakesOtherKeysOfTheToken) {
    ASSERT_TRUE(authority().init({uri("root"), uri("region")}, kTokenTime));
    const IssuedChain first = chain(kTokenTime);
    // New certificates below the root; the region's key stays where nobody names another.
    ASSERT_TRUE(authority().rotate(false, {}, kTokenTime));
    const IssuedChain second = chain(kTokenTime);
    EXPECT_NE(second.bundle[1], first.bundle[1]);
    EXPECT_EQ(key_of(second.bundle[1]), key_of(first.bundle[1]));
    ASSERT_TRUE(authority().rotate(false, {"", uri("region2")}, kTokenTime));
    EXPECT_NE(key_of(chain(kTokenTime).bundle[1]), key_of(first.bundle[1]));
    // A new root needs a new key.
    for (const std::string& same : {std::string(), uri("root")}) {
        const auto refused = authority().rotate(true, {same, ""}, kTokenTime);
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().is(AuthorityErrc::bad_request)) << refused.error().message();
    }
    EXPECT_EQ(chain(kTokenTime).bundle[0], first.bundle[0]);
    ASSERT_TRUE(authority().rotate(true, {uri("root2"), ""}, kTokenTime));
    const IssuedChain last = chain(kTokenTime);
    EXPECT_NE(key_of(last.bundle[0]), key_of(first.bundle[0]));
    EXPECT_EQ(authority().status(kTokenTime)->at(1).key, uri("region2"));
}

TEST_F(AuthorityTokenTest, KeysThatCanNotBeUsedLeaveNothingBehind) {
    for (const TokenKeys& keys :
         {TokenKeys{uri("none"), ""}, TokenKeys{"", uri("none")},
          TokenKeys{uri("root"), uri("small")}, TokenKeys{uri("small"), ""}}) {
        const auto refused = authority().init(keys, kTokenTime);
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().is(AuthorityErrc::token)) << refused.error().message();
        EXPECT_THAT(refused.error().detail(), HasSubstr("object="));
        EXPECT_TRUE(authority().status(kTokenTime).error().is(AuthorityErrc::missing));
    }
}

TEST_F(AuthorityTokenTest, APinInTheUriIsKeptFromOthersAndNeverShown) {
    const std::string with_pin = TestToken::uri("object=root");
    ASSERT_TRUE(authority().init({with_pin, ""}, kTokenTime));
    chain(kTokenTime);
    const auto levels = authority().status(kTokenTime).value();
    EXPECT_EQ(levels[0].key, TestToken::uri("object=root", ""));
    const auto permissions = fs::status(directory() + "/level-root.pem").permissions();
    EXPECT_EQ(permissions, fs::perms(0600));
}

TEST_F(AuthorityTokenTest, AnotherKeyUnderTheSameUriIsRefused) {
    ASSERT_TRUE(authority().init({uri("root"), ""}, kTokenTime));
    const std::string file = directory() + "/level-root.pem";
    const Bytes content = read_file(file, 65536).value();
    std::string text(as_text(content));
    text.replace(text.find("object=root"), 11, "object=root2");
    ASSERT_TRUE(write_file_atomically(file, as_bytes(text)));
    const auto refused = authority().rotate(false, {}, kTokenTime);
    ASSERT_FALSE(refused);
    EXPECT_TRUE(refused.error().is(AuthorityErrc::token)) << refused.error().message();
    EXPECT_THAT(refused.error().detail(), HasSubstr("another key than its certificate's"));
}

TEST(TokenUri, IsShownWithoutItsPin) {
    EXPECT_EQ(without_pin("pkcs11:token=a;object=b?module-path=/m&pin-value=1234"),
              "pkcs11:token=a;object=b?module-path=/m");
    EXPECT_EQ(without_pin("pkcs11:object=b?pin-source=file:/p"),
              "pkcs11:object=b?pin-source=file:/p");
    for (const char* uri :
         {"pkcs11:object=b?pin-value=1234&module-path=/m", "pkcs11:pin-value=1234",
          "pkcs11:object=b;pin-value=1234;id=%01", "?pin=1234", "pin-value=1234"}) {
        EXPECT_THAT(without_pin(uri), Not(HasSubstr("1234"))) << uri;
    }
}

}  // namespace
}  // namespace casemate::authority
