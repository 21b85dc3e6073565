#include "kms/core/access.hpp"

#include <gmock/gmock.h>

#include "kms/core/core_for_test.hpp"
#include "kms/core/recipient.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;

// A key made without operations: what a test wants of it and nothing else.
Key store_key(CoreForTest& service, const std::string& key_policy) {
    Key key;
    key.id = new_uuid();
    key.arn = key_arn(kTestRegion, kTestAccount, key.id);
    key.policy = key_policy;
    key.created = service.now();
    const NewSecret made = generate_secret(key.spec).value();
    const Material first = wrap_material(service.vault(), key.id, made, 1, "", key.created).value();
    key.current_material = first.id;
    EXPECT_TRUE(service.repository().create_key(key, first));
    return key;
}

std::string allowing(std::string_view principal, std::string_view condition = {}) {
    std::string text =
        R"({"Version":"2012-10-17","Statement":[{"Sid":"Own","Effect":"Allow","Principal":{"AWS":")" +
        std::string(principal) + R"("},"Action":"kms:*","Resource":"*")";
    if (!condition.empty()) {
        text += R"(,"Condition":)" + std::string(condition);
    }
    return text + "}]}";
}

constexpr std::string_view kRoot = "arn:aws:iam::111122223333:root";
constexpr std::string_view kAlice = "arn:aws:iam::111122223333:user/alice";
// With a path, which the ARNs of its sessions don't tell.
constexpr std::string_view kRole = "arn:aws:iam::111122223333:role/ci/builder";
constexpr std::string_view kOnlyEncrypt =
    R"({"Statement":[{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}]})";
constexpr std::string_view kBob = "arn:aws:iam::111122223333:user/bob";

class AccessTest : public ::testing::Test {
protected:
    Result<> ask(const Key& key, std::string_view action, Caller who,
                 const EncryptionContext* context = nullptr) {
        call_ = service_.call("Decrypt", "{}", std::move(who));
        const NamedKey named = service_.keyring().find(key.id, call_.caller).value();
        Asked asked;
        asked.action = action;
        asked.key = &named;
        asked.encryption_context = context;
        return permit(service_.core(), call_, asked);
    }

    CoreForTest service_;
    Call call_;
};

TEST_F(AccessTest, TheKeysPolicyAndTheCallersOwnDecide) {
    const Key key = store_key(service_, allowing(kRoot));
    EXPECT_TRUE(ask(key, "Decrypt", CoreForTest::caller()).ok());
    EXPECT_EQ(call_.notes.keys, std::vector<std::string>{key.arn});
    EXPECT_EQ(call_.notes.decision, "allow: identity policy, statement 1");
    // Without a policy of his own the account's delegation is worth nothing.
    const Result<> refused = ask(key, "Decrypt", CoreForTest::caller("alice", ""));
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().detail(),
              "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: "
              "kms:Decrypt on resource: " +
                  key.arn + " because no resource-based policy allows the kms:Decrypt action");
}

TEST_F(AccessTest, APolicyPutByAnotherCountsAtOnce) {
    Key key = store_key(service_, allowing(kAlice));
    EXPECT_TRUE(ask(key, "Decrypt", CoreForTest::caller()).ok());
    Key changed = service_.repository().key(key.id).value();
    changed.policy = allowing(kBob);
    ASSERT_TRUE(service_.repository().update_key(changed));
    EXPECT_FALSE(ask(key, "Decrypt", CoreForTest::caller()).ok());
    EXPECT_TRUE(ask(key, "Decrypt", CoreForTest::caller("bob", "")).ok());
}

TEST_F(AccessTest, AGrantAllowsItsOperationsUnderItsConstraint) {
    const Key key = store_key(service_, allowing(kAlice));
    const Caller bob = CoreForTest::caller("bob", "");
    EXPECT_FALSE(ask(key, "Decrypt", bob).ok());
    Grant grant;
    grant.id = new_hex_id();
    grant.key_id = key.id;
    grant.grantee = kBob;
    grant.issuing_account = kTestAccount;
    grant.operations = {"Decrypt", "DescribeKey"};
    grant.context = EncryptionContext{{"purpose", "test"}};
    grant.created = service_.now();
    ASSERT_TRUE(service_.repository().create_grant(grant));
    const EncryptionContext right{{"purpose", "test"}};
    const EncryptionContext wrong{{"purpose", "other"}};
    EXPECT_TRUE(ask(key, "Decrypt", bob, &right).ok());
    EXPECT_EQ(call_.notes.decision, "allow: grant");
    EXPECT_FALSE(ask(key, "Decrypt", bob, &wrong).ok());
    EXPECT_FALSE(ask(key, "Decrypt", bob).ok());
    // Constraints are for operations with a context only.
    EXPECT_TRUE(ask(key, "DescribeKey", bob).ok());
    EXPECT_FALSE(ask(key, "Encrypt", bob, &right).ok());
    EXPECT_FALSE(ask(key, "Decrypt", CoreForTest::caller("carol", ""), &right).ok());
}

TEST_F(AccessTest, AMeasurementIsThereOnlyWithAVerifiedDocument) {
    const attestation::forger::Forged forged =
        attestation::forger::forge(attestation::forger::plain());
    const std::string digest = to_hex(attestation::forger::plain().contents.pcrs.at(0));
    const Key key = store_key(
        service_, allowing(kAlice, R"({"StringEquals":{"kms:RecipientAttestation:ImageSha384":")" +
                                       digest + R"("}})"));
    EXPECT_FALSE(ask(key, "Decrypt", CoreForTest::caller()).ok());
    Call call = service_.call("Decrypt", "{}");
    const auto document = service_.core().trust.verify(forged.document, service_.now());
    ASSERT_TRUE(document.ok()) << document.error().message();
    const NamedKey named = service_.keyring().find(key.id, call.caller).value();
    Asked asked;
    asked.action = "Decrypt";
    asked.key = &named;
    asked.recipient = &document.value();
    EXPECT_TRUE(permit(service_.core(), call, asked).ok());
}

// A role's session; its policy is JSON, empty for none.
Caller session_of_role(std::string_view own_policy, std::string_view session_policy = {}) {
    Caller made = CoreForTest::caller("x", own_policy);
    made.arn = "arn:aws:sts::111122223333:assumed-role/builder/run-1";
    Session session;
    session.issuer = kRole;
    session.issued = Time(std::chrono::seconds(1'800'000'000));
    session.expires = session.issued + std::chrono::hours(1);
    if (!session_policy.empty()) {
        session.policy =
            policy::Policy::parse(session_policy, policy::Kind::identity_policy).value();
    }
    made.session = std::move(session);
    return made;
}

TEST_F(AccessTest, ARolesPoliciesAndGrantsAreForItsSessions) {
    const Key named = store_key(service_, allowing(kRole));
    EXPECT_TRUE(ask(named, "Decrypt", session_of_role("")).ok());
    const Key by_condition = store_key(
        service_, allowing("*", R"({"ArnEquals":{"aws:PrincipalArn":")" + std::string(kRole) +
                                    R"("},"DateGreaterThan":{"aws:TokenIssueTime":)"
                                    R"("2027-01-15T07:00:00Z"}})"));
    EXPECT_TRUE(ask(by_condition, "Decrypt", session_of_role("")).ok());
    Caller older = session_of_role("");
    older.session->issued -= std::chrono::hours(2);
    EXPECT_FALSE(ask(by_condition, "Decrypt", older).ok());
    // Permanent credentials have no such time.
    Caller permanent = CoreForTest::caller("x", "");
    permanent.arn = kRole;
    EXPECT_FALSE(ask(by_condition, "Decrypt", permanent).ok());
    EXPECT_TRUE(ask(named, "Decrypt", permanent).ok());

    const Key granted = store_key(service_, allowing(kAlice));
    EXPECT_FALSE(ask(granted, "Decrypt", session_of_role("")).ok());
    Grant grant;
    grant.id = new_hex_id();
    grant.key_id = granted.id;
    grant.grantee = kRole;
    grant.issuing_account = kTestAccount;
    grant.operations = {"Decrypt"};
    grant.created = service_.now();
    ASSERT_TRUE(service_.repository().create_grant(grant));
    EXPECT_TRUE(ask(granted, "Decrypt", session_of_role("")).ok());
    // A session's policy narrows grants as well.
    EXPECT_FALSE(ask(granted, "Decrypt", session_of_role("", kOnlyEncrypt)).ok());
}

TEST_F(AccessTest, ASessionsPolicyOnlyNarrows) {
    const Key key = store_key(service_, allowing(kRoot));
    const Caller narrowed = session_of_role(CoreForTest::kEverything, kOnlyEncrypt);
    EXPECT_TRUE(ask(key, "Encrypt", narrowed).ok());
    const Result<> refused = ask(key, "Decrypt", narrowed);
    ASSERT_FALSE(refused.ok());
    EXPECT_THAT(refused.error().detail(),
                ::testing::EndsWith("because no session policy allows the kms:Decrypt action"));
    EXPECT_EQ(call_.notes.decision, "implicit deny: session policy");
    // It gives nothing that the user has not.
    EXPECT_FALSE(ask(key, "Encrypt", session_of_role("", kOnlyEncrypt)).ok());
    // Not even a key's policy that names the role goes past it.
    const Key named = store_key(service_, allowing(kRole));
    EXPECT_FALSE(ask(named, "Decrypt", narrowed).ok());
    EXPECT_TRUE(ask(named, "Encrypt", session_of_role("", kOnlyEncrypt)).ok());
    const Result<> denied =
        ask(key, "Encrypt",
            session_of_role(
                CoreForTest::kEverything,
                R"({"Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"},)"
                R"({"Sid":"Never","Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}]})"));
    ASSERT_FALSE(denied.ok());
    EXPECT_THAT(denied.error().detail(), HasSubstr("with an explicit deny in a session policy"));
    EXPECT_EQ(call_.notes.decision, "explicit deny: session policy, statement 2 (Never)");
}

// Each condition key as a policy sees it: with the value it has, and with another.
TEST_F(AccessTest, ConditionsAreAboutTheCallItsCallerAndItsKey) {
    struct Case {
        std::string_view key;
        std::string_view operation;
        std::string_view right;
        std::string_view wrong;
    };
    const std::vector<Case> cases{
        {"aws:SecureTransport", "Bool", "true", "false"},
        {"aws:SourceIp", "IpAddress", "192.0.2.0/24", "198.51.100.0/24"},
        {"aws:CurrentTime", "DateGreaterThan", "2020-01-01T00:00:00Z", "2200-01-01T00:00:00Z"},
        {"aws:EpochTime", "NumericGreaterThan", "1577836800", "7258118400"},
        {"aws:PrincipalAccount", "StringEquals", "111122223333", "999999999999"},
        {"aws:PrincipalType", "StringEquals", "User", "AssumedRole"},
        {"aws:username", "StringEquals", "alice", "bob"},
        {"kms:CallerAccount", "StringEquals", "111122223333", "999999999999"},
        {"kms:RequestAlias", "StringEquals", "alias/app", "alias/other"},
        {"kms:KeySpec", "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048"},
        {"kms:KeyUsage", "StringEquals", "ENCRYPT_DECRYPT", "SIGN_VERIFY"},
        {"kms:KeyOrigin", "StringEquals", "AWS_KMS", "EXTERNAL"},
        {"kms:MultiRegion", "Bool", "false", "true"},
    };
    for (const Case& c : cases) {
        for (const bool right : {true, false}) {
            const Key key = store_key(
                service_, allowing(kAlice, R"({")" + std::string(c.operation) + R"(":{")" +
                                               std::string(c.key) + R"(":")" +
                                               std::string(right ? c.right : c.wrong) + R"("}})"));
            const Alias app{std::string(kTestAccount), "alias/app", key.id, service_.now(),
                            service_.now()};
            ASSERT_TRUE(service_.repository().create_alias(app));
            Call call = service_.call("Decrypt", "{}");
            call.secure = true;
            call.source_address = "192.0.2.7";
            const NamedKey named = service_.keyring().find("alias/app", call.caller).value();
            Asked asked;
            asked.action = "Decrypt";
            asked.key = &named;
            EXPECT_EQ(permit(service_.core(), call, asked).ok(), right) << c.key;
            ASSERT_TRUE(service_.repository().delete_alias(app));
        }
    }
}

TEST_F(AccessTest, KeysAreFoundByTheirNames) {
    const Key key = store_key(service_, allowing(kRoot));
    const Caller alice = CoreForTest::caller();
    const Alias app{std::string(kTestAccount), "alias/app", key.id, service_.now(), service_.now()};
    ASSERT_TRUE(service_.repository().create_alias(app));
    Keyring& keyring = service_.keyring();
    EXPECT_EQ(keyring.find(key.id, alice)->key().id, key.id);
    EXPECT_EQ(keyring.find(key.arn, alice)->key().id, key.id);
    EXPECT_EQ(keyring.find("alias/app", alice)->key().id, key.id);
    const auto by_arn = keyring.find(alias_arn(kTestRegion, kTestAccount, "alias/app"), alice);
    EXPECT_EQ(by_arn->alias, "alias/app");
    EXPECT_EQ(by_arn->known->aliases, std::vector<std::string>{"alias/app"});
    for (const std::string& name :
         {std::string("alias/none"), new_uuid(), std::string("x"), std::string("alias/a b"),
          key_arn("us-east-1", kTestAccount, key.id), key_arn(kTestRegion, "999999999999", key.id),
          std::string("arn:aws:kms:x")}) {
        const auto found = keyring.find(name, alice);
        ASSERT_FALSE(found.ok()) << name;
        EXPECT_TRUE(found.error().is(KmsErrc::not_found)) << found.error().message();
    }
    // Another account has to say whose key it means.
    const Caller stranger = CoreForTest::caller("eve", "", "999999999999");
    EXPECT_FALSE(keyring.find(key.id, stranger).ok());
    EXPECT_TRUE(keyring.find(key.arn, stranger).ok());
    // A name of an account is nobody else's, whoever asked for it before.
    EXPECT_FALSE(keyring.find("alias/app", stranger).ok());
    EXPECT_TRUE(keyring.find("alias/app", alice).ok());
    // A removed alias is gone at once.
    ASSERT_TRUE(service_.repository().delete_alias(app));
    EXPECT_FALSE(keyring.find("alias/app", alice).ok());
}

TEST_F(AccessTest, WhatIsKeptIsTrueAfterARestart) {
    const Key key = store_key(service_, allowing(kRoot));
    const auto opened = service_.keyring().current(key);
    ASSERT_TRUE(opened.ok());
    Keyring second(service_.repository(), service_.vault(), std::string(kTestRegion));
    const auto again = second.current(key);
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(constant_time_equal((*opened)->bytes().view(), (*again)->bytes().view()));
}

}  // namespace
}  // namespace casemate::kms
