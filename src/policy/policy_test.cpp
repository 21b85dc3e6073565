#include "policy/policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace casemate::policy {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAccount = "arn:aws:iam::111122223333:root";
constexpr std::string_view kAlice = "arn:aws:iam::111122223333:user/alice";
constexpr std::string_view kBob = "arn:aws:iam::111122223333:user/bob";
constexpr std::string_view kEnclave =
    "arn:aws:sts::111122223333:assumed-role/data-processing/i-0123456789abcdef0";
constexpr std::string_view kKey =
    "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

Policy parse(std::string_view json, Kind kind = Kind::key_policy) {
    auto policy = Policy::parse(json, kind);
    EXPECT_TRUE(policy.ok()) << policy.error().message();
    return *std::move(policy);
}

Request request(std::string_view principal, std::string_view action) {
    Request asked{std::string(principal), std::string(action), std::string(kKey), {}};
    set_principal(asked.context, principal);
    return asked;
}

Verdict verdict(Decision decision, std::size_t statement) {
    return {decision, statement, std::nullopt};
}

// decide asks a policy and looks that the explanation agrees.
Verdict decide(const Policy& policy, const Request& asked) {
    const Verdict decided = policy.evaluate(asked);
    const Explanation explanation = policy.explain(asked, "policy");
    EXPECT_EQ(explanation.verdict, decided);
    EXPECT_EQ(explanation.statements.size(), policy.size());
    return decided;
}

constexpr Decision kAllow = Decision::allow;
constexpr Decision kDeny = Decision::explicit_deny;

TEST(Policy, DeniesWhatNothingAllows) {
    const Policy policy = parse(R"({"Statement":{"Effect":"Allow","Principal":{"AWS":
        "arn:aws:iam::111122223333:user/alice"},"Action":"kms:Decrypt","Resource":"*"}})");
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Encrypt")), Verdict());
    EXPECT_EQ(decide(policy, request(kBob, "kms:Decrypt")), Verdict());
    EXPECT_EQ(decide(policy, request("", "kms:Decrypt")), Verdict());
}

TEST(Policy, ExplicitDenyWinsWhereverItStands) {
    const Policy policy = parse(R"({"Statement":[
        {"Sid":"all","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
        {"Sid":"no","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},
         "Action":"kms:Decrypt","Resource":"*"},
        {"Sid":"again","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]})");
    EXPECT_EQ(decide(policy, request(kBob, "kms:Decrypt")), verdict(kDeny, 1));
    EXPECT_EQ(decide(policy, request(kBob, "kms:Encrypt")), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), verdict(kAllow, 0));
    EXPECT_EQ(policy.sid(1), "no");
}

TEST(Policy, AccountInAllowLeavesItToTheCallersPolicies) {
    const Policy policy = parse(R"({"Statement":[
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},
         "Action":"kms:*","Resource":"*"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},
         "Action":"kms:Encrypt","Resource":"*"}]})");
    const Verdict delegated{Decision::implicit_deny, std::nullopt, 0};
    EXPECT_EQ(decide(policy, request(kBob, "kms:Decrypt")), delegated);
    EXPECT_EQ(decide(policy, request(kEnclave, "kms:Decrypt")), delegated);
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Encrypt")), verdict(kAllow, 1));
    EXPECT_EQ(decide(policy, request(kAccount, "kms:Decrypt")), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request("arn:aws:iam::444455556666:user/alice", "kms:Decrypt")),
              Verdict());
}

TEST(Policy, AccountInDenyDeniesAllOfIt) {
    const Policy policy = parse(R"({"Statement":[
        {"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"}]})");
    for (const std::string_view caller : {kAccount, kAlice, kEnclave}) {
        EXPECT_EQ(decide(policy, request(caller, "kms:Decrypt")), verdict(kDeny, 1)) << caller;
    }
    EXPECT_EQ(decide(policy, request("arn:aws:iam::444455556666:user/alice", "kms:Decrypt")),
              verdict(kAllow, 0));
}

TEST(Policy, NotPrincipalDeniesAllOthers) {
    const Policy policy = parse(R"({"Statement":[
        {"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
        {"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:user/alice",
          "arn:aws:iam::111122223333:root"]},"Action":"kms:Decrypt","Resource":"*"}]})");
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request(kAccount, "kms:Decrypt")), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request(kBob, "kms:Decrypt")), verdict(kDeny, 1));
    EXPECT_EQ(decide(policy, request(kEnclave, "kms:Decrypt")), verdict(kDeny, 1));
    EXPECT_EQ(decide(policy, request("nobody", "kms:Decrypt")), verdict(kDeny, 1));
}

TEST(Policy, ActionsHaveWildcardsAndNoCase) {
    struct Row {
        std::string_view element;
        std::string_view action;
        bool applies;
    };
    for (const Row& row : {Row{R"("Action":"kms:Decrypt")", "kms:Decrypt", true},
                           Row{R"("Action":"KMS:decrypt")", "kms:Decrypt", true},
                           Row{R"("Action":"kms:*crypt")", "kms:ReEncrypt", true},
                           Row{R"("Action":"kms:?ecrypt")", "kms:Decrypt", true},
                           Row{R"("Action":"kms:Generate*")", "kms:Decrypt", false},
                           Row{R"("Action":["kms:Sign","kms:Verify"])", "kms:Verify", true},
                           Row{R"("Action":"s3:*")", "kms:Verify", false},
                           Row{R"("Action":"*")", "kms:Verify", true},
                           Row{R"("NotAction":"kms:Decrypt")", "kms:Decrypt", false},
                           Row{R"("NotAction":"kms:decrypt")", "kms:Decrypt", false},
                           Row{R"("NotAction":["kms:De*","kms:Sign"])", "kms:Encrypt", true},
                           Row{R"("NotAction":"*")", "kms:Encrypt", false}}) {
        const Policy policy =
            parse(R"({"Statement":{"Effect":"Allow","Principal":"*","Resource":"*",)" +
                  std::string(row.element) + "}}");
        EXPECT_EQ(decide(policy, request(kAlice, row.action)).decision == kAllow, row.applies)
            << row.element << " " << row.action;
    }
}

TEST(Policy, ResourcesHaveWildcardsAndCase) {
    struct Row {
        std::string_view element;
        bool in_allow;
        bool in_deny;
    };
    for (const Row& row :
         {Row{R"("Resource":"*")", true, true},
          Row{R"("Resource":"arn:aws:kms:us-west-2:111122223333:key/*")", true, true},
          Row{R"("Resource":"arn:aws:kms:*:*:key/1234abcd-12ab-34cd-56ef-1234567890a?")", true,
              true},
          Row{R"("Resource":"arn:aws:kms:us-west-2:111122223333:KEY/*")", false, false},
          Row{R"("Resource":["arn:aws:s3:::x","arn:aws:kms:*"])", true, true},
          Row{R"("NotResource":"arn:aws:kms:us-west-2:*:key/1234*")", false, false},
          Row{R"("NotResource":"arn:aws:kms:us-west-1:*:key/*")", true, true},
          Row{R"("Resource":"arn:aws:kms:*:*:key/${aws:PrincipalTag/key}")", true, true},
          Row{R"("Resource":"arn:aws:kms:*:*:key/${aws:username}")", false, false},
          Row{R"("Resource":"arn:aws:kms:*:*:key/${aws:absent}*")", false, false},
          // What is not known opens nothing, and closes.
          Row{R"("NotResource":"arn:aws:kms:*:*:key/${aws:absent}*")", false, true}}) {
        for (const bool allows : {true, false}) {
            const std::string effect = allows ? "Allow" : "Deny";
            const Policy policy = parse(
                R"({"Version":"2012-10-17","Statement":{"Principal":"*","Action":"*","Effect":")" +
                effect + "\"," + std::string(row.element) + "}}");
            Request asked = request(kAlice, "kms:Decrypt");
            asked.context.set("aws:PrincipalTag/key", "1234abcd-12ab-34cd-56ef-1234567890ab");
            EXPECT_EQ(decide(policy, asked).decision != Decision::implicit_deny,
                      allows ? row.in_allow : row.in_deny)
                << effect << " " << row.element;
        }
    }
}

TEST(Policy, VariablesAreOfTheSecondVersion) {
    const std::string statement = R"("Statement":{"Effect":"Allow","Principal":"*","Action":"*",
        "Resource":"arn:aws:kms:*:*:key/${aws:username}"}})";
    Request asked = request(kAlice, "kms:Decrypt");
    asked.resource = "arn:aws:kms:us-west-2:111122223333:key/alice";
    Request literal = asked;
    literal.resource = "arn:aws:kms:us-west-2:111122223333:key/${aws:username}";
    const Policy second = parse(R"({"Version":"2012-10-17",)" + statement);
    EXPECT_EQ(decide(second, asked).decision, kAllow);
    EXPECT_EQ(decide(second, literal).decision, Decision::implicit_deny);
    for (const std::string version : {R"({"Version":"2008-10-17",)", "{"}) {
        const Policy first = parse(version + statement);
        EXPECT_EQ(decide(first, asked).decision, Decision::implicit_deny);
        EXPECT_EQ(decide(first, literal).decision, kAllow);
    }
}

TEST(Policy, AllConditionsMustHold) {
    const Policy policy = parse(R"({"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":"*","Action":"*","Resource":"*","Condition":{
          "StringEquals":{"kms:EncryptionContext:App":"a","kms:ViaService":["x","y"]},
          "Bool":{"aws:SecureTransport":"true"}}}})");
    Request asked = request(kAlice, "kms:Decrypt");
    asked.context.set("kms:EncryptionContext:App", "a");
    asked.context.set("kms:ViaService", "y");
    asked.context.set("aws:SecureTransport", "true");
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    for (const std::string_view key :
         {"kms:EncryptionContext:App", "kms:ViaService", "aws:SecureTransport"}) {
        Request wrong = asked;
        wrong.context.set(key, "wrong");
        EXPECT_EQ(decide(policy, wrong), Verdict()) << key;
        Request none = asked;
        none.context.set_all(key, {});
        EXPECT_EQ(decide(policy, none), Verdict()) << key;
    }
}

TEST(Policy, StatementsWithoutActionOrResourceHaveNoEffect) {
    for (const std::string element : {R"("Action":"*")", R"("Resource":"*")", R"("Sid":"x")"}) {
        for (const std::string effect : {"Allow", "Deny"}) {
            const Policy policy = parse(R"({"Statement":{"Principal":"*","Effect":")" + effect +
                                        "\"," + element + "}}");
            EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), Verdict()) << element;
            EXPECT_EQ(policy.explain(request(kAlice, "kms:Decrypt"), "p").statements[0].outcome,
                      Outcome::ineffective);
        }
    }
}

TEST(Policy, OfACallerNeedsNoPrincipal) {
    const Policy policy = parse(R"({"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["kms:List*","kms:CreateKey"],"Resource":"*"},
        {"Effect":"Deny","Action":"kms:ScheduleKeyDeletion","Resource":"*"}]})",
                                Kind::identity_policy);
    EXPECT_EQ(policy.kind(), Kind::identity_policy);
    Request asked = request(kAlice, "kms:ListKeys");
    asked.resource = "*";
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    EXPECT_EQ(decide(policy, request(kAlice, "kms:ScheduleKeyDeletion")), verdict(kDeny, 1));
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), Verdict());
}

// The KMS Developer Guide's examples, "Condition keys for Nitro Enclaves".
constexpr std::string_view kDigest =
    "9fedcba8abcdef7abcdef6abcdef5abcdef4abcdef3abcdef2abcdef1abcdef1abcdef0abcdef1abcdef2abcdef3ab"
    "cdef4abcdef5abcdef6abcdef7abcdef99";
constexpr std::string_view kPcr1 =
    "0x1de4f2dcf774f6e3b679f62e5f120065b2e408dcea327bd1c9dddaea6664e7af7935581474844767453082c6f158"
    "6116376cede396a30a39a611b9aad7966c87";

std::string guarded(std::string_view operator_name, std::string_view key, std::string_view value,
                    std::string_view effect = "Allow") {
    return R"({"Version":"2012-10-17","Statement":{"Sid":"Enable enclave data processing",
        "Principal":{"AWS":"arn:aws:iam::111122223333:role/data-processing"},
        "Action":["kms:Decrypt","kms:GenerateDataKey","kms:GenerateRandom"],"Resource":"*",
        "Effect":")" +
           std::string(effect) + R"(","Condition":{")" + std::string(operator_name) + R"(":{")" +
           std::string(key) + R"(":")" + std::string(value) + R"("}}}})";
}

TEST(RecipientAttestation, ImageDigestOpensOnlyToTheImage) {
    constexpr std::string_view kName = "kms:RecipientAttestation:ImageSha384";
    const Policy policy = parse(guarded("StringEqualsIgnoreCase", kName, kDigest));
    Request asked = request(kEnclave, "kms:Decrypt");
    EXPECT_EQ(decide(policy, asked), Verdict()) << "without a document";
    asked.context.set(kName, std::string(kDigest));
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    std::string capitals(kDigest);
    capitals[1] = 'F';
    asked.context.set(kName, capitals);
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    std::string changed(kDigest);
    changed.back() = '8';
    asked.context.set(kName, changed);
    EXPECT_EQ(decide(policy, asked), Verdict());
    asked.context.set(kName, std::string(96, '0'));
    EXPECT_EQ(decide(policy, asked), Verdict()) << "in debug mode";
    asked.context.set(kName, std::string(kDigest));
    EXPECT_EQ(decide(policy, request(kAlice, "kms:Decrypt")), Verdict()) << "another caller";
}

TEST(RecipientAttestation, RegistersOpenByTheirNumber) {
    constexpr std::string_view kName = "kms:RecipientAttestation:PCR1";
    const Policy policy = parse(guarded("StringEqualsIgnoreCase", kName, kPcr1));
    Request asked = request(kEnclave, "kms:Decrypt");
    asked.context.set("kms:RecipientAttestation:PCR0", std::string(kPcr1));
    asked.context.set("kms:RecipientAttestation:PCR10", std::string(kPcr1));
    EXPECT_EQ(decide(policy, asked), Verdict());
    asked.context.set(kName, std::string(kPcr1));
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    // The same without the prefix is another text.
    asked.context.set(kName, std::string(kPcr1.substr(2)));
    EXPECT_EQ(decide(policy, asked), Verdict());
}

TEST(RecipientAttestation, AbsentNeverMeetsAPositiveCondition) {
    constexpr std::string_view kName = "kms:RecipientAttestation:PCR0";
    for (const std::string_view positive : {"StringEquals", "StringEqualsIgnoreCase", "StringLike",
                                            "ForAnyValue:StringEquals", "ForAnyValue:StringLike"}) {
        EXPECT_EQ(decide(parse(guarded(positive, kName, "*")), request(kEnclave, "kms:Decrypt")),
                  Verdict())
            << positive;
    }
    // As IAM has it, and as a policy's author must know.
    for (const std::string_view other : {"StringNotEquals", "StringNotLike", "StringEqualsIfExists",
                                         "ForAllValues:StringEquals"}) {
        EXPECT_EQ(decide(parse(guarded(other, kName, "x")), request(kEnclave, "kms:Decrypt")),
                  verdict(kAllow, 0))
            << other;
        EXPECT_EQ(
            decide(parse(guarded(other, kName, "x", "Deny")), request(kEnclave, "kms:Decrypt")),
            verdict(kDeny, 0))
            << other;
    }
    EXPECT_EQ(
        decide(parse(guarded("Null", kName, "true", "Deny")), request(kEnclave, "kms:Decrypt")),
        verdict(kDeny, 0));
}

TEST(EncryptionContext, IsLookedAtByKeyAndByItsKeys) {
    const Policy policy = parse(R"({"Version":"2012-10-17","Statement":{"Effect":"Allow",
        "Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{
          "StringEquals":{"kms:EncryptionContext:AppName":"ExampleApp"},
          "ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["AppName","Stage"]},
          "ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":"AppName"}}}})");
    Request asked = request(kAlice, "kms:Decrypt");
    asked.context.set("kms:EncryptionContext:AppName", "ExampleApp");
    asked.context.set_all("kms:EncryptionContextKeys", {"AppName"});
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    asked.context.set_all("kms:EncryptionContextKeys", {"Stage", "AppName"});
    EXPECT_EQ(decide(policy, asked), verdict(kAllow, 0));
    asked.context.set_all("kms:EncryptionContextKeys", {"AppName", "Other"});
    EXPECT_EQ(decide(policy, asked), Verdict());
    asked.context.set_all("kms:EncryptionContextKeys", {"appname"});
    EXPECT_EQ(decide(policy, asked), Verdict());
}

TEST(Explanation, SaysWhyOfEachStatement) {
    const Policy policy = parse(R"({"Version":"2012-10-17","Statement":[
        {"Sid":"ineffective","Effect":"Allow","Principal":"*","Action":"*"},
        {"Sid":"who","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:user/bob"],
         "Service":"ec2.amazonaws.com"},"Action":"*","Resource":"*"},
        {"Sid":"what","Effect":"Allow","Principal":"*","NotAction":["kms:De*"],"Resource":"*"},
        {"Sid":"on","Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:s3:::x"},
        {"Sid":"if","Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":
         {"Bool":{"aws:SecureTransport":false}}},
        {"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"},
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},
         "Action":"kms:Decrypt","Resource":"*"}]})");
    const Explanation explanation = policy.explain(request(kAlice, "kms:Decrypt"), "key policy");
    EXPECT_EQ(explanation.verdict, verdict(kAllow, 6));
    EXPECT_EQ(explanation.print(),
              R"(key policy: allow by statement 7
  statement 1 ("ineffective"), Allow: does not apply: it has no Resource and so no effect
  statement 2 ("who"), Allow: does not apply: Principal wanted AWS "arn:aws:iam::111122223333:user/bob"; Service "ec2.amazonaws.com", got "arn:aws:iam::111122223333:user/alice"
  statement 3 ("what"), Allow: does not apply: NotAction wanted "kms:De*", got "kms:Decrypt"
  statement 4 ("on"), Allow: does not apply: Resource wanted "arn:aws:s3:::x", got "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  statement 5 ("if"), Deny: does not apply: Condition Bool "aws:SecureTransport" wanted "false", got nothing: the request has no such key
  statement 6, Allow: it allows the caller's account, whose own policies decide
  statement 7, Allow: applies
)");
    EXPECT_THAT(policy.explain(request(kAlice, "kms:Encrypt"), "key policy").print(),
                HasSubstr("key policy: allow by statement 3 (\"what\")\n"));
    EXPECT_THAT(policy.explain(request(kBob, "kms:Decrypt"), "key policy").print(),
                HasSubstr("key policy: allow by statement 2 (\"who\")\n"));
    EXPECT_THAT(policy.explain(request(kEnclave, "kms:Decrypt"), "key policy").print(),
                HasSubstr("key policy: implicit deny, left to the account's own policies by "
                          "statement 6\n"));
    EXPECT_THAT(policy.explain(request("nobody", "kms:Decrypt"), "key policy").print(),
                HasSubstr("key policy: implicit deny: no statement applies\n"));
}

TEST(Explanation, ShowsNothingThatATerminalWouldObey) {
    const Policy policy = parse(R"({"Statement":{"Sid":"\u001b[2J\u009b\"","Effect":"Allow",
        "Principal":"*","Action":"kms:Encrypt","Resource":"*"}})");
    const std::string text = policy.explain(request(kAlice, "kms:Decrypt"), "p").print();
    EXPECT_THAT(text, HasSubstr(R"(("\x1b[2J\xc2\x9b\""))"));
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

// A whole policy of wildcards, asked about values as long as a request may bring.
TEST(Policy, HostileWildcardsEnd) {
    std::string pattern;
    while (pattern.size() < 30000) {
        pattern += "*a";
    }
    const Policy policy = parse(guarded("StringLike", "kms:EncryptionContext:x", pattern + "b"));
    Request asked = request(kEnclave, "kms:Decrypt");
    asked.context.set("kms:EncryptionContext:x", std::string(16000, 'a'));
    EXPECT_EQ(decide(policy, asked), Verdict());
}

}  // namespace
}  // namespace casemate::policy
