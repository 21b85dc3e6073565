#include "policy/document.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/error.hpp"

namespace casemate::policy {
namespace {

using testing::HasSubstr;

// key_statement is a key policy of one statement with these members behind Effect and Principal.
std::string key_statement(std::string_view members) {
    return R"({"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*",)" +
           std::string(members) + "}}";
}

struct Refusal {
    std::string json;
    PolicyErrc code;
    std::string sentence;
    Kind kind = Kind::key_policy;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
    *out << refusal.json.substr(0, 200);
}

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, SaysWhere) {
    const auto policy = Policy::parse(GetParam().json, GetParam().kind);
    ASSERT_FALSE(policy.ok());
    EXPECT_TRUE(policy.error().is(GetParam().code)) << policy.error().message();
    EXPECT_THAT(policy.error().detail(), HasSubstr(GetParam().sentence));
}

constexpr PolicyErrc kSyntax = PolicyErrc::syntax;
constexpr PolicyErrc kMalformed = PolicyErrc::malformed;
constexpr PolicyErrc kPrincipal = PolicyErrc::invalid_principal;

INSTANTIATE_TEST_SUITE_P(
    Json, RefusalTest,
    testing::Values(
        Refusal{"", kSyntax, "expected JSON"}, Refusal{"{", kSyntax, "expected JSON"},
        Refusal{"{} {}", kSyntax, "expected JSON"}, Refusal{"\xef\xbb\xbf{}", kSyntax, "JSON"},
        Refusal{"{\"Id\":\"\xff\"}", kSyntax, "expected JSON"},
        Refusal{std::string("{}\0", 3), kSyntax, "expected JSON"},
        Refusal{R"({"Statement":[],})", kSyntax, "expected JSON"},
        Refusal{"// no\n{}", kSyntax, "expected JSON"}, Refusal{"[]", kMalformed, "an object"},
        Refusal{"null", kMalformed, "found null"}, Refusal{"\"*\"", kMalformed, "found a string"},
        Refusal{R"({"Id":"a","Id":"b"})", kSyntax, R"("Id" twice)"},
        Refusal{R"({"Id":"a","\u0049d":"b"})", kSyntax, R"("Id" twice)"},
        Refusal{key_statement(R"("Effect":"Allow")"), kSyntax, R"("Effect" twice)"},
        Refusal{std::string(10000, '['), kSyntax, "nested"},
        Refusal{key_statement(R"("Action":)" + std::string(5000, '[') + std::string(5000, ']')),
                kSyntax, "nested"},
        Refusal{R"({"Id":")" + std::string(kMaxPolicySize, 'x') + R"("})", PolicyErrc::too_large,
                "at most 32768 bytes"}));

INSTANTIATE_TEST_SUITE_P(
    Head, RefusalTest,
    testing::Values(
        Refusal{"{}", kMalformed, "expected a Statement, found none"},
        Refusal{R"({"Statement":[]})", kMalformed, "empty list"},
        Refusal{R"({"Statement":"*"})", kMalformed, "statement 1: expected an object"},
        Refusal{R"({"Statement":[[]]})", kMalformed, "statement 1: expected an object"},
        Refusal{R"({"Version":"2012-10-18","Statement":[]})", kMalformed, "Version: expected"},
        Refusal{R"({"Version":20121017,"Statement":[]})", kMalformed, "Version: expected a string"},
        Refusal{R"({"Id":1,"Statement":[]})", kMalformed, "Id: expected a string"},
        Refusal{R"({"statement":[]})", kMalformed, R"(found "statement")"},
        Refusal{R"({"Statement":[],"Comment":""})", kMalformed, R"(found "Comment")"}));

INSTANTIATE_TEST_SUITE_P(
    Statements, RefusalTest,
    testing::Values(
        Refusal{R"({"Statement":{"Principal":"*","Action":"*","Resource":"*"}})", kMalformed,
                "statement 1: expected an Effect"},
        Refusal{R"({"Statement":{"Effect":"allow","Principal":"*"}})", kMalformed,
                R"(Effect: expected Allow or Deny, found "allow")"},
        Refusal{R"({"Statement":{"Effect":true,"Principal":"*"}})", kMalformed, "a Boolean"},
        Refusal{R"({"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}})", kMalformed,
                "expected a Principal"},
        Refusal{R"({"Statement":{"Effect":"Allow","NotPrincipal":"*"}})", kMalformed,
                "NotPrincipal with Deny only"},
        Refusal{key_statement(R"("Sid":1)"), kMalformed, "Sid: expected a string"},
        Refusal{key_statement(R"("sid":"x")"), kMalformed, R"(found "sid")"},
        Refusal{key_statement(R"("NotPrincipal":"*")"), kMalformed, "found both"},
        Refusal{key_statement(R"("Action":"*","NotAction":"*")"), kMalformed, "found both"},
        Refusal{key_statement(R"("Resource":"*","NotResource":"*")"), kMalformed, "found both"},
        Refusal{R"({"Statement":[{"Effect":"Deny","Principal":"*","Sid":"a"},)"
                R"({"Effect":"Deny","Principal":"*","Sid":"a"}]})",
                kMalformed, R"(statement 2: expected a Sid of its own, found "a" again)"},
        Refusal{key_statement(R"("Action":[])"), kMalformed, "Action: expected at least one"},
        Refusal{key_statement(R"("Action":[1])"), kMalformed, "found a number"},
        Refusal{key_statement(R"("Action":{"x":1})"), kMalformed, "found an object"},
        Refusal{key_statement(R"("Action":[["kms:*"]])"), kMalformed, "found a list"},
        Refusal{key_statement(R"("Action":null)"), kMalformed, "found null"},
        Refusal{key_statement(R"("Action":"Decrypt")"), kMalformed, "such as kms:Decrypt"},
        Refusal{key_statement(R"("Action":"kms:")"), kMalformed, "such as kms:Decrypt"},
        Refusal{key_statement(R"("Action":"k*:Decrypt")"), kMalformed, "such as kms:Decrypt"},
        Refusal{key_statement(R"("Action":"kms: Decrypt")"), kMalformed, "such as kms:Decrypt"},
        Refusal{key_statement(R"("NotAction":"")"), kMalformed, "NotAction: expected"},
        Refusal{key_statement(R"("Resource":"")"), kMalformed, "Resource: expected an ARN"},
        Refusal{key_statement(R"("Resource":"key/1")"), kMalformed, "expected an ARN"},
        Refusal{key_statement(R"("Resource":[])"), kMalformed, "empty list"},
        Refusal{key_statement(R"("NotResource":"arn:")"), kMalformed, "NotResource: expected"},
        Refusal{key_statement(R"("Resource":"arn:aws:kms:r:${aws:x}:key/1")"), kMalformed,
                "behind the fifth colon"},
        Refusal{key_statement(R"("Resource":"arn:aws:kms:r:1:${aws:x")"), kMalformed,
                "no closing brace"}));

INSTANTIATE_TEST_SUITE_P(
    Principals, RefusalTest,
    testing::Values(
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":"alice"}})", kPrincipal, "alice"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":["*"]}})", kMalformed, "a list"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":{}}})", kMalformed, "empty object"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":{"aws":"*"}}})", kMalformed, "aws"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":{"AWS":[]}}})", kMalformed,
                "Principal: AWS: expected at least one value"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":{"AWS":{"AWS":"*"}}}})", kMalformed,
                "found an object"},
        Refusal{R"({"Statement":{"Effect":"Deny","Principal":{"AWS":"alice"}}})", kPrincipal,
                "statement 1: Principal: AWS: expected"},
        Refusal{R"({"Statement":{"Effect":"Deny",)"
                R"("NotPrincipal":{"AWS":"arn:aws:iam::111122223333:user/*"}}})",
                kPrincipal, "without wildcards"}));

INSTANTIATE_TEST_SUITE_P(
    Conditions, RefusalTest,
    testing::Values(
        Refusal{key_statement(R"("Condition":[])"), kMalformed, "Condition: expected an object"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{}})"), kMalformed, "empty object"},
        Refusal{key_statement(R"("Condition":{"StringEquals":"x"})"), kMalformed,
                R"(statement 1: Condition: "StringEquals": expected an object)"},
        Refusal{key_statement(R"("Condition":{"StringEqual":{"aws:x":"y"}})"), kMalformed,
                R"(expected a condition operator, found "StringEqual")"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{"aws:x":[]}})"), kMalformed,
                R"("aws:x": expected at least one value)"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{"aws:x":null}})"), kMalformed,
                "found null"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{"aws:x":{"y":"z"}}})"), kMalformed,
                "found an object"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{"aws:x":"y","AWS:X":"z"}})"),
                kMalformed, R"(found "AWS:X" again)"},
        Refusal{key_statement(R"("Condition":{"StringEquals":{"username":"y"}})"), kMalformed,
                "with a prefix"},
        Refusal{key_statement(R"("Condition":{"Bool":{"aws:SecureTransport":1}})"), kMalformed,
                R"("aws:SecureTransport": expected true or false, found "1")"},
        Refusal{key_statement(R"("Condition":{"NumericEquals":{"aws:x":1e999}})"), kMalformed,
                "a number"}));

INSTANTIATE_TEST_SUITE_P(
    OfCallers, RefusalTest,
    testing::Values(
        Refusal{R"({"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}})",
                kMalformed, "no Principal", Kind::identity_policy},
        Refusal{R"({"Statement":{"Effect":"Deny","NotPrincipal":"*","Action":"*"}})", kMalformed,
                "no NotPrincipal", Kind::identity_policy},
        Refusal{R"({"Id":"x","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}})",
                kMalformed, "no Id", Kind::identity_policy},
        Refusal{R"({"Statement":{"Effect":"Allow","Resource":"*"}})", kMalformed,
                "expected an Action", Kind::identity_policy},
        Refusal{R"({"Statement":{"Effect":"Allow","Action":"*"}})", kMalformed,
                "expected a Resource", Kind::identity_policy},
        Refusal{R"({"Statement":{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}})",
                kMalformed, "letters and digits", Kind::identity_policy}));

class AcceptedTest : public testing::TestWithParam<std::string> {};

// What is printed reads as what prints the same.
TEST_P(AcceptedTest, PrintsWhatItMeans) {
    const auto policy = Policy::parse(GetParam(), Kind::key_policy);
    ASSERT_TRUE(policy.ok()) << policy.error().message();
    const auto again = Policy::parse(policy->print(), Kind::key_policy);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(again->print(), policy->print());
    EXPECT_EQ(again->size(), policy->size());
}

INSTANTIATE_TEST_SUITE_P(
    Policies, AcceptedTest,
    testing::Values(
        key_statement(R"("Action":"*","Resource":"*")"), key_statement(R"("Sid":"with spaces")"),
        key_statement(R"("Sid":"")"), key_statement(R"("Condition":{})"),
        key_statement(R"("NotAction":["kms:Get*","KMS:list?"],"NotResource":"arn:aws:kms:*")"),
        key_statement(R"("Condition":{"NumericEquals":{"aws:x":[1,-2,1.5,18446744073709551615]},)"
                      R"("Bool":{"aws:y":true},"StringEquals":{"aws:z":"\u00e9\n"}})"),
        R"({"Statement":[{"Effect":"Deny","Principal":"*"},{"Effect":"Allow","Principal":"*"}]})",
        R"({"Version":"2008-10-17","Id":"","Statement":{"Effect":"Allow","Principal":)"
        R"({"AWS":["111122223333","*"],"Service":"ec2.amazonaws.com","Federated":["a","b"],)"
        R"("CanonicalUser":"79a5"},"Action":"kms:*","Resource":"arn:aws:kms:r:1:${aws:x"}})",
        R"({"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"}}})"));

TEST(Document, IsPrintedInOneForm) {
    const auto policy = Policy::parse(
        R"({"Statement":{"Condition":{"Bool":{"aws:SecureTransport":false}},"Resource":"*",
            "Action":"kms:*","Principal":"*","Effect":"Deny","Sid":"a"},"Version":"2012-10-17"})",
        Kind::key_policy);
    ASSERT_TRUE(policy.ok());
    EXPECT_EQ(policy->print(), R"({"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Deny",)"
                               R"("Principal":{"AWS":["*"]},"Action":["kms:*"],"Resource":["*"],)"
                               R"("Condition":{"Bool":{"aws:SecureTransport":["false"]}}}]})");
}

// The limit is of bytes, and white space counts.
TEST(Document, MayBeAsLargeAsTheLimit) {
    std::string json = key_statement(R"("Action":"*","Resource":"*")");
    json += std::string(kMaxPolicySize - json.size(), ' ');
    EXPECT_TRUE(Policy::parse(json, Kind::key_policy).ok());
    EXPECT_FALSE(Policy::parse(json + " ", Kind::key_policy).ok());
}

TEST(Document, ErrorsHaveNames) {
    for (const PolicyErrc code : {PolicyErrc::too_large, kSyntax, kMalformed, kPrincipal}) {
        EXPECT_NE(describe(code), "unknown policy error");
    }
}

}  // namespace
}  // namespace casemate::policy
