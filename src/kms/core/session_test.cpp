#include "kms/core/session.hpp"

#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "base/temporary_directory.hpp"
#include "codec/base64.hpp"
#include "kms/core/core_for_test.hpp"

namespace casemate::kms {
namespace {

constexpr std::string_view kUser = "AKIAEXAMPLEEXAMPLEAA";
constexpr std::string_view kPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]})";

class SessionTest : public testing::Test {
protected:
    [[nodiscard]] SessionTerms terms() const {
        SessionTerms out;
        out.access_key_id = kUser;
        out.name = "build-7";
        out.policy = kPolicy;
        out.issued = issued_;
        return out;
    }
    // opens tells whether a token is taken with an access key's id; garbage is never an error.
    [[nodiscard]] bool opens(std::string_view id, std::string_view token) const {
        const auto opened = open_session(vault_, id, token);
        EXPECT_TRUE(opened.ok()) << opened.error().message();
        return opened.ok() && opened->has_value();
    }
    // wrapped makes a token of any record.
    [[nodiscard]] std::string wrapped(std::string_view id, const Bytes& record) const {
        return codec::encode_base64(vault_.wrap(record, session_binding(id)).value());
    }

    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
    Vault vault_ = Vault::open(directory_.path() + "/kms").value();
    Time issued_ = Time(std::chrono::seconds(1'800'000'000));
};

TEST_F(SessionTest, ATokenTellsWhatTheSessionWasMadeFor) {
    const auto made = make_session(vault_, terms());
    ASSERT_TRUE(made.ok()) << made.error().message();
    EXPECT_EQ(made->access_key_id.size(), 20U);
    EXPECT_TRUE(made->access_key_id.starts_with("ASIA"));
    EXPECT_EQ(made->secret.size(), 40U);
    EXPECT_EQ(made->expires, issued_ + std::chrono::hours(1));
    EXPECT_LT(made->token.size(), 600U);
    const auto opened = open_session(vault_, made->access_key_id, made->token);
    ASSERT_TRUE(opened.ok() && opened->has_value());
    const OpenedSession& session = **opened;
    EXPECT_EQ(session.user_access_key_id, kUser);
    EXPECT_TRUE(constant_time_equal(session.secret.view(), made->secret.view()));
    EXPECT_EQ(session.name, "build-7");
    EXPECT_EQ(session.policy, kPolicy);
    EXPECT_EQ(session.issued, issued_);
    EXPECT_EQ(session.expires, made->expires);
    // The longest ones fit into what is looked at.
    SessionTerms longest = terms();
    longest.name = std::string(64, 'n');
    longest.policy = std::string(kMaxSessionPolicy, ' ');
    const auto large = make_session(vault_, longest);
    ASSERT_TRUE(large.ok());
    EXPECT_TRUE(opens(large->access_key_id, large->token));
    // Two are never alike.
    EXPECT_NE(large->access_key_id, made->access_key_id);
}

TEST_F(SessionTest, NoChangedOrForeignTokenOpens) {
    const auto made = make_session(vault_, terms()).value();
    const auto other = make_session(vault_, terms()).value();
    ASSERT_TRUE(opens(made.access_key_id, made.token));
    EXPECT_FALSE(opens(other.access_key_id, made.token));
    EXPECT_FALSE(opens(kUser, made.token));
    for (const std::string_view token : {"", "A", "AAAA", "CKW1", "?", "Q0tXMQ==", " "}) {
        EXPECT_FALSE(opens(made.access_key_id, token)) << token;
    }
    for (std::size_t i = 0; i < made.token.size(); ++i) {
        std::string changed = made.token;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(opens(made.access_key_id, changed)) << i;
        EXPECT_FALSE(opens(made.access_key_id, made.token.substr(0, i))) << i;
    }
    EXPECT_FALSE(opens(made.access_key_id, made.token + "AAAA"));
    EXPECT_FALSE(opens(made.access_key_id, " " + made.token));
    EXPECT_FALSE(opens(made.access_key_id, made.token + std::string(kMaxSessionToken, 'A')));
    // Nothing else that the vault wraps is a token, and a token is nothing else.
    const Bytes record{1};
    for (const std::string& binding :
         {access_key_binding(made.access_key_id), setting_binding(made.access_key_id),
          material_binding(made.access_key_id, "1")}) {
        EXPECT_FALSE(
            opens(made.access_key_id, codec::encode_base64(vault_.wrap(record, binding).value())));
        EXPECT_FALSE(vault_.unwrap(*codec::decode_base64(made.token), binding).ok());
    }
    // Another service's root keys.
    const TemporaryDirectory elsewhere = TemporaryDirectory::create().value();
    const Vault foreign = Vault::open(elsewhere.path() + "/kms").value();
    const auto foreign_session = make_session(foreign, terms()).value();
    EXPECT_FALSE(opens(foreign_session.access_key_id, foreign_session.token));
}

TEST_F(SessionTest, RecordsOfAnotherFormAreNone) {
    const auto made = make_session(vault_, terms()).value();
    const std::string& id = made.access_key_id;
    const SecretBytes good =
        vault_.unwrap(*codec::decode_base64(made.token), session_binding(id)).value();
    const Bytes record(good.view().begin(), good.view().end());
    ASSERT_TRUE(opens(id, wrapped(id, record)));
    for (std::size_t size = 0; size < record.size(); ++size) {
        EXPECT_FALSE(opens(
            id,
            wrapped(id, Bytes(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(size)))))
            << size;
    }
    Bytes longer = record;
    longer.push_back(0);
    EXPECT_FALSE(opens(id, wrapped(id, longer)));
    Bytes later = record;
    later[0] = 2;
    EXPECT_FALSE(opens(id, wrapped(id, later)));
    Bytes endless = record;
    endless[9] = 0xff;
    EXPECT_FALSE(opens(id, wrapped(id, endless)));
}

TEST_F(SessionTest, TokensEndWithTheirRootKey) {
    const auto before = make_session(vault_, terms()).value();
    // What another process rotates is found, and its tokens are taken.
    Vault other = Vault::open(directory_.path() + "/kms").value();
    ASSERT_TRUE(other.rotate().ok());
    const auto after = make_session(other, terms()).value();
    EXPECT_TRUE(opens(after.access_key_id, after.token));
    EXPECT_TRUE(opens(before.access_key_id, before.token));
    ASSERT_TRUE(other.forget_old().ok());
    ASSERT_TRUE(vault_.refresh().ok());
    EXPECT_FALSE(opens(before.access_key_id, before.token));
    EXPECT_TRUE(opens(after.access_key_id, after.token));
}

TEST_F(SessionTest, ARolesSessionHasAnArnOfItsOwn) {
    const auto made = make_session(vault_, terms()).value();
    auto opened = open_session(vault_, made.access_key_id, made.token).value();
    ASSERT_TRUE(opened.has_value());
    Caller user = CoreForTest::caller();
    for (const auto& [arn, expected] :
         {std::pair("arn:aws:iam::111122223333:role/enclave",
                    "arn:aws:sts::111122223333:assumed-role/enclave/build-7"),
          std::pair("arn:aws:iam::111122223333:role/service/enclave",
                    "arn:aws:sts::111122223333:assumed-role/enclave/build-7"),
          std::pair("arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/alice"),
          std::pair("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
          std::pair("arn:aws:sts::111122223333:assumed-role/enclave/i-1",
                    "arn:aws:sts::111122223333:assumed-role/enclave/i-1")}) {
        user.arn = arn;
        const auto caller = caller_of(user, made.access_key_id, *opened);
        ASSERT_TRUE(caller.ok());
        EXPECT_EQ(caller->arn, expected);
        EXPECT_EQ(caller->account, "111122223333");
        EXPECT_EQ(caller->access_key_id, made.access_key_id);
        EXPECT_TRUE(caller->policy.has_value());
        ASSERT_TRUE(caller->session.has_value());
        EXPECT_EQ(caller->session->issuer, arn);
        EXPECT_EQ(caller->session->issued, issued_);
        EXPECT_TRUE(caller->session->policy.has_value());
    }
    // What can't be read narrows to nothing.
    opened->policy = "{";
    EXPECT_FALSE(caller_of(user, made.access_key_id, *opened).ok());
}

TEST(SessionName, IsAsStsHasIt) {
    for (const std::string& good :
         {std::string("ab"), std::string("a_b+=,.@-9"), std::string(64, 'x')}) {
        EXPECT_TRUE(is_session_name(good)) << good;
    }
    for (const std::string& bad : {std::string(), std::string("a"), std::string(65, 'x'),
                                   std::string("a/b"), std::string("a b"), std::string("a:b")}) {
        EXPECT_FALSE(is_session_name(bad)) << bad;
    }
}

}  // namespace
}  // namespace casemate::kms
