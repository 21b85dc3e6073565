#include "policy/authorization.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace casemate::policy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kAccount = "111122223333";
constexpr std::string_view kRoot = "arn:aws:iam::111122223333:root";
constexpr std::string_view kAlice = "arn:aws:iam::111122223333:user/alice";
constexpr std::string_view kBob = "arn:aws:iam::111122223333:user/bob";
constexpr std::string_view kForeignRoot = "arn:aws:iam::444455556666:root";
constexpr std::string_view kForeigner = "arn:aws:iam::444455556666:user/carol";

constexpr Decision kAllow = Decision::allow;
constexpr Decision kDeny = Decision::explicit_deny;
constexpr Decision kNo = Decision::implicit_deny;

Policy parse(std::string_view json, Kind kind) {
    auto policy = Policy::parse(json, kind);
    EXPECT_TRUE(policy.ok()) << policy.error().message();
    return *std::move(policy);
}

// The default key policy of KMS.
Policy default_policy() {
    return parse(R"({"Version":"2012-10-17","Id":"key-default-1","Statement":[
        {"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":
         {"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]})",
                 Kind::key_policy);
}

// Alice may all, Bob's Decrypt is denied, the foreign account and Carol may decrypt and sign.
Policy naming_policy() {
    return parse(R"({"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},
         "Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},
         "Action":"kms:Decrypt","Resource":"*"},
        {"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:Decrypt",
         "Resource":"*"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/carol"},
         "Action":"kms:Sign","Resource":"*"}]})",
                 Kind::key_policy);
}

Policy identity(std::string_view effect, std::string_view action) {
    return parse(R"({"Version":"2012-10-17","Statement":{"Resource":"*","Effect":")" +
                     std::string(effect) + R"(","Action":")" + std::string(action) + R"("}})",
                 Kind::identity_policy);
}

Request request(std::string_view principal, std::string_view action) {
    Request asked{std::string(principal),
                  std::string(action),
                  "arn:aws:kms:eu-west-1:111122223333:key/1",
                  {}};
    set_principal(asked.context, principal);
    return asked;
}

struct Case {
    std::string name;
    std::optional<Policy> key;
    std::optional<Policy> own;
    std::string_view caller;
    std::string_view action;
    bool granted;
    Authorization expected;
};

void PrintTo(const Case& that, std::ostream* out) {
    *out << that.name;
}

Authorization by(Decision decision, Decider decider,
                 std::optional<std::size_t> statement = std::nullopt) {
    return {decision, decider, statement};
}

class AuthorizationTest : public testing::TestWithParam<Case> {};

TEST_P(AuthorizationTest, DecidesAsKms) {
    const Case& that = GetParam();
    const Sources sources{that.key ? &*that.key : nullptr, that.own ? &*that.own : nullptr,
                          kAccount, that.granted};
    const Request asked = request(that.caller, that.action);
    EXPECT_EQ(authorize(sources, asked), that.expected);
    const AuthorizationReport report = explain(sources, asked);
    EXPECT_EQ(report.authorization, that.expected);
    EXPECT_THAT(report.print(), StartsWith(std::string(name_of(that.expected.decision))));
}

const Policy kDefault = default_policy();
const Policy kNaming = naming_policy();
const Policy kMayAll = identity("Allow", "kms:*");
const Policy kMayNot = identity("Deny", "kms:Decrypt");
const std::optional<Policy> kNone;

INSTANTIATE_TEST_SUITE_P(
    OwnAccount, AuthorizationTest,
    testing::Values(Case{"account delegates, own policy allows", kDefault, kMayAll, kAlice,
                         "kms:Decrypt", false, by(kAllow, Decider::identity_policy, 0)},
                    Case{"account delegates, no own policy", kDefault, kNone, kAlice, "kms:Decrypt",
                         false, by(kNo, Decider::nothing)},
                    Case{"account delegates, own policy denies", kDefault, kMayNot, kAlice,
                         "kms:Decrypt", false, by(kDeny, Decider::identity_policy, 0)},
                    Case{"root user", kDefault, kNone, kRoot, "kms:Decrypt", false,
                         by(kAllow, Decider::key_policy, 0)},
                    Case{"root user has no right of his own to a key", kNaming, kNone, kRoot,
                         "kms:Decrypt", false, by(kNo, Decider::nothing)},
                    Case{"key policy names him", kNaming, kNone, kAlice, "kms:Decrypt", false,
                         by(kAllow, Decider::key_policy, 0)},
                    Case{"key policy names him, own policy denies", kNaming, kMayNot, kAlice,
                         "kms:Decrypt", false, by(kDeny, Decider::identity_policy, 0)},
                    Case{"own policy alone opens no key", kNaming, kMayAll, kBob, "kms:Encrypt",
                         false, by(kNo, Decider::nothing)},
                    Case{"key policy denies", kNaming, kMayAll, kBob, "kms:Decrypt", false,
                         by(kDeny, Decider::key_policy, 1)},
                    Case{"a grant allows", kNaming, kNone, kBob, "kms:Encrypt", true,
                         by(kAllow, Decider::grant)},
                    Case{"deny wins over a grant", kNaming, kNone, kBob, "kms:Decrypt", true,
                         by(kDeny, Decider::key_policy, 1)},
                    Case{"own deny wins over a grant", kDefault, kMayNot, kBob, "kms:Decrypt", true,
                         by(kDeny, Decider::identity_policy, 0)},
                    Case{"nobody is not of an account", kDefault, kMayAll, "nobody", "kms:Decrypt",
                         false, by(kNo, Decider::nothing)}));

INSTANTIATE_TEST_SUITE_P(
    OtherAccounts, AuthorizationTest,
    testing::Values(Case{"both allow", kNaming, kMayAll, kForeigner, "kms:Decrypt", false,
                         by(kAllow, Decider::identity_policy, 0)},
                    Case{"named, and own policy allows", kNaming, kMayAll, kForeigner, "kms:Sign",
                         false, by(kAllow, Decider::key_policy, 3)},
                    Case{"named, without own policy", kNaming, kNone, kForeigner, "kms:Sign", false,
                         by(kNo, Decider::nothing)},
                    Case{"account named, without own policy", kNaming, kNone, kForeigner,
                         "kms:Decrypt", false, by(kNo, Decider::nothing)},
                    Case{"root user of a named account", kNaming, kNone, kForeignRoot,
                         "kms:Decrypt", false, by(kAllow, Decider::key_policy, 2)},
                    Case{"own policy does not open another account's key", kDefault, kMayAll,
                         kForeigner, "kms:Decrypt", false, by(kNo, Decider::nothing)}));

INSTANTIATE_TEST_SUITE_P(
    WithoutKey, AuthorizationTest,
    testing::Values(Case{"own policy allows", kNone, kMayAll, kAlice, "kms:CreateKey", false,
                         by(kAllow, Decider::identity_policy, 0)},
                    Case{"no policy", kNone, kNone, kAlice, "kms:CreateKey", false,
                         by(kNo, Decider::nothing)},
                    Case{"no grant without a key", kNone, kNone, kAlice, "kms:CreateKey", true,
                         by(kNo, Decider::nothing)},
                    Case{"root user", kNone, kNone, kRoot, "kms:CreateKey", false,
                         by(kAllow, Decider::root_user)},
                    Case{"own policy denies", kNone, kMayNot, kAlice, "kms:Decrypt", false,
                         by(kDeny, Decider::identity_policy, 0)}));

TEST(Authorization, ASessionsPolicyOnlyNarrows) {
    const Policy encrypt = identity("Allow", "kms:Encrypt");
    const auto decide = [](const Policy& key, const Policy* own, const Policy& session,
                           std::string_view caller, std::string_view action, bool granted = false) {
        const Sources sources{&key, own, kAccount, granted, &session};
        const Authorization found = authorize(sources, request(caller, action));
        EXPECT_EQ(explain(sources, request(caller, action)).authorization, found);
        return found;
    };
    const Authorization narrowed = by(kNo, Decider::session_policy);
    EXPECT_EQ(decide(kDefault, &kMayAll, encrypt, kAlice, "kms:Encrypt"),
              by(kAllow, Decider::identity_policy, 0));
    EXPECT_EQ(decide(kDefault, &kMayAll, encrypt, kAlice, "kms:Decrypt"), narrowed);
    EXPECT_EQ(decide(kNaming, nullptr, encrypt, kAlice, "kms:Decrypt"), narrowed);
    EXPECT_EQ(decide(kDefault, nullptr, encrypt, kRoot, "kms:Decrypt"), narrowed);
    EXPECT_EQ(decide(kNaming, nullptr, encrypt, kBob, "kms:Sign", true), narrowed);
    EXPECT_EQ(decide(kDefault, nullptr, encrypt, kAlice, "kms:Encrypt"), by(kNo, Decider::nothing));
    EXPECT_EQ(decide(kDefault, &kMayAll, kMayNot, kAlice, "kms:Decrypt"),
              by(kDeny, Decider::session_policy, 0));
    EXPECT_EQ(decide(kNaming, nullptr, kMayNot, kBob, "kms:Decrypt"),
              by(kDeny, Decider::key_policy, 1));
    const Sources no_key{nullptr, &kMayAll, kAccount, false, &encrypt};
    EXPECT_EQ(authorize(no_key, request(kAlice, "kms:CreateKey")), narrowed);
    EXPECT_EQ(authorize(no_key, request(kRoot, "kms:CreateKey")), narrowed);
    // The caller himself keeps control of a key, whatever his session may.
    EXPECT_TRUE(keeps_control({&kDefault, &kMayAll, kAccount, false, &encrypt},
                              request(kAlice, "kms:CreateKey")));
}

TEST(Authorization, ReportShowsEachPolicy) {
    const AuthorizationReport report =
        explain({&kDefault, &kMayAll, kAccount, false}, request(kAlice, "kms:Decrypt"));
    EXPECT_EQ(report.print(),
              R"(allow by the identity policy, statement 1
key policy: implicit deny, left to the account's own policies by statement 1 ("Enable IAM User Permissions")
  statement 1 ("Enable IAM User Permissions"), Allow: it allows the caller's account, whose own policies decide
identity policy: allow by statement 1
  statement 1, Allow: applies
)");
}

TEST(KeepsControl, AsksForPutKeyPolicy) {
    const auto keeps = [](std::string_view json, std::string_view caller,
                          const Policy* own = nullptr) {
        const Policy policy = parse(json, Kind::key_policy);
        return keeps_control({&policy, own, kAccount, false}, request(caller, "kms:CreateKey"));
    };
    const std::string_view alice_administers = R"({"Statement":{"Effect":"Allow","Principal":
        {"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"kms:Put*","Resource":"*"}})";
    EXPECT_TRUE(keeps(alice_administers, kAlice));
    EXPECT_FALSE(keeps(alice_administers, kBob));
    EXPECT_FALSE(keeps(alice_administers, kBob, &kMayAll));
    EXPECT_FALSE(keeps(alice_administers, kRoot));
    const std::string_view only_use = R"({"Statement":{"Effect":"Allow","Principal":"*",
        "Action":"kms:Decrypt","Resource":"*"}})";
    EXPECT_FALSE(keeps(only_use, kAlice));
    const std::string_view without_effect =
        R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*"}})";
    EXPECT_FALSE(keeps(without_effect, kAlice));
    const std::string_view denied = R"({"Statement":[{"Effect":"Allow","Principal":"*",
        "Action":"kms:*","Resource":"*"},{"Effect":"Deny","Principal":"*",
        "Action":"kms:PutKeyPolicy","Resource":"*"}]})";
    EXPECT_FALSE(keeps(denied, kAlice));
    EXPECT_TRUE(keeps(default_policy().print(), kAlice));
    EXPECT_TRUE(keeps(default_policy().print(), kRoot));
    EXPECT_FALSE(keeps(default_policy().print(), kForeigner, &kMayAll));
    const std::string_view foreign = R"({"Statement":{"Effect":"Allow","Principal":
        {"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}})";
    EXPECT_FALSE(keeps(foreign, kForeigner));
    EXPECT_TRUE(keeps(foreign, kForeigner, &kMayAll));
    const std::string_view to_enclaves = R"({"Statement":{"Effect":"Allow","Principal":"*",
        "Action":"kms:*","Resource":"*","Condition":
        {"StringEquals":{"kms:RecipientAttestation:PCR0":"ab"}}}})";
    EXPECT_FALSE(keeps(to_enclaves, kAlice));
    const Policy policy = parse(only_use, Kind::key_policy);
    EXPECT_FALSE(keeps_control({&policy, nullptr, kAccount, true}, request(kAlice, "kms:Sign")));
}

TEST(Constraint, ComparesContexts) {
    using Map = std::map<std::string, std::string>;
    const Map wanted{{"a", "1"}, {"b", "2"}};
    const Map more{{"a", "1"}, {"b", "2"}, {"c", "3"}};
    EXPECT_TRUE(meets_constraint(wanted, false, wanted));
    EXPECT_FALSE(meets_constraint(wanted, false, more));
    EXPECT_TRUE(meets_constraint(wanted, true, wanted));
    EXPECT_TRUE(meets_constraint(wanted, true, more));
    EXPECT_FALSE(meets_constraint(more, true, wanted));
    EXPECT_FALSE(meets_constraint(wanted, true, {{"a", "1"}, {"b", "3"}}));
    EXPECT_FALSE(meets_constraint(wanted, true, {{"A", "1"}, {"b", "2"}}));
    EXPECT_TRUE(meets_constraint({}, true, more));
    EXPECT_FALSE(meets_constraint({}, false, more));
}

}  // namespace
}  // namespace casemate::policy
