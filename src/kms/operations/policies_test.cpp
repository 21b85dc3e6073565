#include "kms/operations/policies.hpp"

#include <gmock/gmock.h>

#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// policy_for makes a key policy of one Allow; extra is more of the statement.
std::string policy_for(std::string_view principal, std::string_view action = "kms:*",
                       std::string_view extra = {}) {
    return R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":")" +
           std::string(principal) + R"("},"Action":")" + std::string(action) +
           R"(","Resource":"*")" + std::string(extra) + "}]}";
}

constexpr std::string_view kRoot = "arn:aws:iam::111122223333:root";
constexpr std::string_view kAlice = "arn:aws:iam::111122223333:user/alice";
constexpr std::string_view kStranger = "arn:aws:iam::111122223333:user/carol";
constexpr std::string_view kLockout =
    "MalformedPolicyDocumentException: The new key policy will not allow you to update the key "
    "policy in the future.";

std::string put_input(const std::string& id, const std::string& policy,
                      std::string_view more = {}) {
    std::string members =
        R"("PolicyName":"default","Policy":)" + json::serialize(json::value(policy));
    return with_key(id, members + std::string(more));
}

class PoliciesTest : public ::testing::Test {
protected:
    PoliciesTest() : id_(make_key(service_)) {}

    Result<Answer> put(const std::string& policy, std::string_view more = {},
                       Caller who = CoreForTest::caller()) {
        return service_.ask("PutKeyPolicy", put_input(id_, policy, more), std::move(who));
    }
    std::string stored() { return service_.repository().key(id_)->policy; }

    CoreForTest service_;
    std::string id_;
};

TEST_F(PoliciesTest, AreGivenBackAsTheyWerePut) {
    const std::string policy =
        "\t" + policy_for(kRoot, "kms:*", R"(,"Sid":"Gr\u00fc\u00dfe ü")") + " \r\n";
    const auto done = put(policy);
    ASSERT_TRUE(done.ok()) << message_of(done);
    EXPECT_THAT(*done, IsEmpty());
    const Answer got =
        service_.ask("GetKeyPolicy", with_key(id_, R"("PolicyName":"default")")).value();
    EXPECT_EQ(got, (json::object{{"Policy", policy}, {"PolicyName", "default"}}));
    // The name may be left out.
    EXPECT_EQ(service_.ask("GetKeyPolicy", with_key(id_)).value(), got);
}

TEST_F(PoliciesTest, CountFromTheNextRequestOn) {
    ASSERT_TRUE(put(policy_for(kAlice)).ok());
    const Caller carol = CoreForTest::caller("carol");
    expect_error(service_.ask("DescribeKey", with_key(id_), carol), KmsErrc::access_denied);
    ASSERT_TRUE(put(policy_for(kStranger), R"(,"BypassPolicyLockoutSafetyCheck":true)").ok());
    EXPECT_TRUE(service_.ask("DescribeKey", with_key(id_), carol).ok());
    expect_error(put(policy_for(kAlice)), KmsErrc::access_denied);
}

TEST_F(PoliciesTest, ThatLockTheCallerOutAreRefused) {
    const std::string before = stored();
    // Somebody else only; not this action; not for his account's policies; denied; under a
    // condition that the present request does not meet.
    const std::vector<std::string> locking = {
        policy_for(kStranger),
        policy_for(kAlice, "kms:Decrypt"),
        policy_for("999999999999"),
        policy_for(kAlice, "kms:*", R"(,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}})"),
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",)"
        R"("Action":"kms:*","Resource":"*"},{"Effect":"Deny","Principal":{"AWS":")" +
            std::string(kAlice) + R"("},"Action":"kms:Put*","Resource":"*"}]})",
    };
    for (const std::string& policy : locking) {
        EXPECT_EQ(message_of(put(policy)), kLockout) << policy;
        EXPECT_EQ(stored(), before);
    }
    for (const std::string& policy :
         {policy_for(kRoot), policy_for(kAlice), policy_for(kAlice, "kms:PutKeyPolicy")}) {
        const auto done = put(policy);
        EXPECT_TRUE(done.ok()) << message_of(done);
        EXPECT_EQ(stored(), policy);
    }
    EXPECT_TRUE(put(locking[0], R"(,"BypassPolicyLockoutSafetyCheck":true)").ok());
    EXPECT_EQ(stored(), locking[0]);
}

TEST_F(PoliciesTest, TheLockoutCheckKnowsTheKeysAliases) {
    const std::string policy = policy_for(
        kAlice, "kms:*",
        R"(,"Condition":{"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/a"}})");
    EXPECT_EQ(message_of(put(policy)), kLockout);
    ASSERT_TRUE(
        service_.ask("CreateAlias", R"({"AliasName":"alias/a","TargetKeyId":")" + id_ + "\"}")
            .ok());
    EXPECT_TRUE(put(policy).ok());
}

TEST_F(PoliciesTest, BypassingTheCheckCanBeForbidden) {
    const Caller who = CoreForTest::caller(
        "bob", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",)"
               R"("Resource":"*","Condition":{"Bool":)"
               R"({"kms:BypassPolicyLockoutSafetyCheck":"false"}}}]})");
    EXPECT_TRUE(put(policy_for(kRoot), "", who).ok());
    expect_error(put(policy_for(kRoot), R"(,"BypassPolicyLockoutSafetyCheck":true)", who),
                 KmsErrc::access_denied);
}

TEST_F(PoliciesTest, ThatAreNotWellAreRefused) {
    const std::string before = stored();
    for (
        const char* policy :
        {"{}", "[]", "no JSON", R"({"Version":"2012-10-17","Statement":[]})",
         R"({"Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]})",
         R"({"Statement":[{"Effect":"Perhaps","Principal":"*","Action":"kms:*","Resource":"*"}]})"}) {
        const auto refused = put(policy);
        expect_error(refused, KmsErrc::malformed_policy);
        EXPECT_THAT(message_of(refused), StartsWith("MalformedPolicyDocumentException: "));
    }
    // Beyond what AWS takes in a policy, which is up to U+00FF; and nothing at all.
    expect_error(put(policy_for(kRoot, "kms:*", ",\"Sid\":\"\u0100\"")), KmsErrc::validation);
    expect_error(put(""), KmsErrc::validation);
    expect_error(service_.ask("PutKeyPolicy", with_key(id_)), KmsErrc::validation);
    std::string padded = policy_for(kRoot);
    padded.append(policy::kMaxPolicySize + 1 - padded.size(), ' ');
    expect_error(put(padded), KmsErrc::limit_exceeded);
    padded.pop_back();
    expect_error(put(std::string(131073, ' ')), KmsErrc::validation);
    EXPECT_EQ(stored(), before);
    EXPECT_TRUE(put(padded).ok());
    EXPECT_EQ(stored(), padded);
}

TEST_F(PoliciesTest, OtherNamesThanDefaultAreNotThere) {
    const std::string other = R"("PolicyName":"other")";
    const std::string sentence = "NotFoundException: No such policy exists";
    EXPECT_EQ(message_of(service_.ask("GetKeyPolicy", with_key(id_, other))), sentence);
    EXPECT_EQ(message_of(service_.ask("PutKeyPolicy", with_key(id_, other + R"(,"Policy":"{}")"))),
              sentence);
    expect_error(service_.ask("GetKeyPolicy", with_key(id_, R"("PolicyName":"")")),
                 KmsErrc::validation);
    expect_error(service_.ask("GetKeyPolicy",
                              with_key(id_, R"("PolicyName":")" + std::string(129, 'a') + '"')),
                 KmsErrc::validation);
}

TEST_F(PoliciesTest, AreListedUnderTheOneName) {
    EXPECT_EQ(service_.ask("ListKeyPolicies", with_key(id_)).value(),
              (json::object{{"PolicyNames", {"default"}}, {"Truncated", false}}));
    // "default" has been given.
    const Answer after =
        service_.ask("ListKeyPolicies", with_key(id_, R"("Marker":"ZGVmYXVsdA==")")).value();
    EXPECT_THAT(names_of(after, "PolicyNames"), IsEmpty());
    expect_error(service_.ask("ListKeyPolicies", with_key(id_, R"("Limit":1001)")),
                 KmsErrc::validation);
    expect_error(service_.ask("ListKeyPolicies", with_key(id_, R"("Marker":"?")")),
                 KmsErrc::invalid_marker);
}

TEST_F(PoliciesTest, WhoPutsOneIsNoted) {
    Call call = service_.call(
        "PutKeyPolicy",
        put_input(id_, policy_for(kRoot), R"(,"BypassPolicyLockoutSafetyCheck":true)"));
    ASSERT_TRUE(perform(service_.core(), call).ok());
    EXPECT_THAT(call.notes.keys, ElementsAre(service_.repository().key(id_)->arn));
    EXPECT_THAT(call.notes.parameters,
                ElementsAre(std::pair("bypassPolicyLockoutSafetyCheck", "true")));
    EXPECT_THAT(call.notes.decision, HasSubstr("allow"));
}

}  // namespace
}  // namespace casemate::kms
