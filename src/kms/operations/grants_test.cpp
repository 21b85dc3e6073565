#include "kms/operations/grants.hpp"

#include <gmock/gmock.h>

#include "kms/core/grant_token.hpp"
#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kBob = "arn:aws:iam::111122223333:user/bob";
constexpr std::string_view kCarol = "arn:aws:iam::111122223333:user/carol";

std::string in_quotes(std::string_view text) {
    return '"' + std::string(text) + '"';
}

// grant_to gives the members of a CreateGrant behind its KeyId.
std::string grant_to(std::string_view grantee, std::string_view operations,
                     std::string_view more = {}) {
    std::string text = R"("GranteePrincipal":)" + in_quotes(grantee) + R"(,"Operations":[)" +
                       std::string(operations) + "]";
    if (!more.empty()) {
        text.append(",").append(more);
    }
    return text;
}

std::string constrained(std::string_view kind, std::string_view context) {
    return R"("Constraints":{")" + std::string(kind) + R"(":)" + std::string(context) + "}";
}

// Without a policy of his own only grants let one do anything.
Caller nobody(std::string_view name, std::string_view account = kTestAccount) {
    return CoreForTest::caller(name, "", account);
}

class GrantsTest : public ::testing::Test {
protected:
    std::string create(std::string_view members, Caller who = CoreForTest::caller()) {
        const Result<Answer> answer =
            service_.ask("CreateGrant", with_key(key_, members), std::move(who));
        EXPECT_TRUE(answer.ok()) << answer.error().message();
        if (!answer) {
            return {};
        }
        token_ = text_of(*answer, "GrantToken");
        return text_of(*answer, "GrantId");
    }

    // ask gives "" or "Type: sentence".
    std::string ask(std::string_view operation, std::string_view members,
                    Caller who = CoreForTest::caller()) {
        const Result<Answer> answer =
            service_.ask(operation, with_key(key_, members), std::move(who));
        return answer ? "" : answer.error().message();
    }

    std::string encrypt(Caller who, std::string_view context = "{}") {
        return ask("Encrypt",
                   R"("Plaintext":"aGVsbG8=","EncryptionContext":)" + std::string(context),
                   std::move(who));
    }

    std::vector<std::string> listed(std::string_view members = {}) {
        const Result<Answer> answer = service_.ask("ListGrants", with_key(key_, members));
        EXPECT_TRUE(answer.ok());
        return answer ? names_of(*answer, "Grants", "GrantId") : std::vector<std::string>();
    }

    CoreForTest service_;
    std::string key_ = make_key(service_);
    std::string token_;
};

TEST_F(GrantsTest, AGrantAllowsWhatItNamesUntilItIsRevoked) {
    EXPECT_THAT(encrypt(nobody("bob")), HasSubstr("AccessDenied"));
    const std::string id = create(grant_to(kBob, R"("Encrypt","DescribeKey")"));
    EXPECT_THAT(id, SizeIs(64));
    EXPECT_EQ(encrypt(nobody("bob")), "");
    EXPECT_EQ(ask("DescribeKey", "", nobody("bob")), "");
    EXPECT_THAT(ask("GenerateDataKey", R"("KeySpec":"AES_256")", nobody("bob")),
                HasSubstr("AccessDenied"));
    EXPECT_THAT(encrypt(nobody("carol")), HasSubstr("AccessDenied"));
    EXPECT_THAT(encrypt(nobody("bob", "444455556666")), HasSubstr("NotFound"));

    EXPECT_THAT(ask("RevokeGrant", R"("GrantId":)" + in_quotes(id), nobody("bob")),
                HasSubstr("AccessDenied"));
    EXPECT_EQ(ask("RevokeGrant", R"("GrantId":)" + in_quotes(id)), "");
    EXPECT_THAT(encrypt(nobody("bob")), HasSubstr("AccessDenied"));
    EXPECT_THAT(ask("RevokeGrant", R"("GrantId":)" + in_quotes(id)), HasSubstr("NotFound"));
}

TEST_F(GrantsTest, AGrantReachesOtherAccountsAndSessionsOfARole) {
    create(grant_to("arn:aws:iam::444455556666:user/dave", R"("Encrypt")"));
    create(grant_to("arn:aws:iam::111122223333:role/app", R"("Encrypt")"));
    const std::string arn = key_arn(kTestRegion, kTestAccount, key_);
    const std::string input = with_key(arn, R"("Plaintext":"aGVsbG8=")");
    EXPECT_TRUE(service_.ask("Encrypt", input, nobody("dave", "444455556666")).ok());
    Caller session = nobody("");
    session.arn = "arn:aws:sts::111122223333:assumed-role/app/one";
    EXPECT_EQ(encrypt(session), "");
    session.arn = "arn:aws:sts::111122223333:assumed-role/other/one";
    EXPECT_THAT(encrypt(session), HasSubstr("AccessDenied"));
}

TEST_F(GrantsTest, ADenyWinsOverAGrant) {
    create(grant_to(kBob, R"("Encrypt")"));
    const Caller bob = CoreForTest::caller(
        "bob",
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}]})");
    EXPECT_THAT(encrypt(bob), HasSubstr("explicit deny"));
}

TEST_F(GrantsTest, ConstraintsLookAtTheEncryptionContext) {
    create(grant_to(kBob, R"("Encrypt","DescribeKey")",
                    constrained("EncryptionContextSubset", R"({"a":"b"})")));
    create(
        grant_to(kCarol, R"("Encrypt")", constrained("EncryptionContextEquals", R"({"a":"b"})")));
    EXPECT_EQ(encrypt(nobody("bob"), R"({"a":"b"})"), "");
    EXPECT_EQ(encrypt(nobody("bob"), R"({"a":"b","c":"d"})"), "");
    EXPECT_EQ(encrypt(nobody("carol"), R"({"a":"b"})"), "");
    EXPECT_EQ(ask("DescribeKey", "", nobody("bob")), "");
    for (const char* context : {"{}", R"({"a":"B"})", R"({"A":"b"})"}) {
        EXPECT_THAT(encrypt(nobody("bob"), context), HasSubstr("AccessDenied")) << context;
        EXPECT_THAT(encrypt(nobody("carol"), context), HasSubstr("AccessDenied")) << context;
    }
    EXPECT_THAT(encrypt(nobody("carol"), R"({"a":"b","c":"d"})"), HasSubstr("AccessDenied"));
}

TEST_F(GrantsTest, RequestsThatAreNoneAreRefused) {
    std::string pairs;
    for (int i = 0; i < 9; ++i) {
        pairs += std::string(i == 0 ? "{" : ",") + "\"" + std::to_string(i) + "\":\"\"";
    }
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("Operations":["Encrypt"])", "'granteePrincipal' failed"},
        {R"("GranteePrincipal":)" + in_quotes(kBob), "'operations' failed"},
        {grant_to(kBob, ""), "ValidationException"},
        {grant_to(kBob, R"("CreateGrant")"),
         "ValidationException: Grants must not contain only the CreateGrant operation."},
        {grant_to(kBob, R"("DisableKey")"), "Member must satisfy enum value set: ["},
        {grant_to(kBob, R"("Sign")"), "ValidationException: The operation Sign"},
        {grant_to(kBob, R"("GetPublicKey")"), "ValidationException"},
        {grant_to(kBob, "1"), "SerializationException"},
        {grant_to("bob", R"("Encrypt")"), "InvalidArnException"},
        {grant_to("*", R"("Encrypt")"), "ValidationException"},
        {grant_to("arn:aws:iam::111122223333:group/x", R"("Encrypt")"), "InvalidArnException"},
        {grant_to("arn:aws:iam::111122223333:user/a b", R"("Encrypt")"), "regular expression"},
        {grant_to(std::string(257, 'a'), R"("Encrypt")"), "less than or equal to 256"},
        {grant_to(kBob, R"("Encrypt")", R"("RetiringPrincipal":"x")"), "InvalidArnException"},
        {grant_to(kBob, R"("Encrypt")", R"("Name":"")"), "greater than or equal to 1"},
        {grant_to(kBob, R"("Encrypt")", R"("Name":"a b")"), "regular expression"},
        {grant_to(kBob, R"("Encrypt")", R"("GrantTokens":["x"])"), "InvalidGrantTokenException"},
        {grant_to(kBob, R"("Encrypt")", constrained("EncryptionContextEquals", pairs + "}")),
         "less than or equal to 8"},
        {grant_to(
             kBob, R"("Encrypt")",
             constrained("EncryptionContextSubset", R"({"a":")" + std::string(385, 'x') + R"("})")),
         "at most 384"},
        {grant_to(kBob, R"("Encrypt")",
                  R"("Constraints":{"EncryptionContextSubset":{"a":"b"},)"
                  R"("EncryptionContextEquals":{"a":"b"}})"),
         "not both"},
    };
    for (const auto& [members, sentence] : cases) {
        EXPECT_THAT(ask("CreateGrant", members), HasSubstr(sentence)) << members;
    }
    EXPECT_THAT(listed(), IsEmpty());
    const std::string good = grant_to(kBob, R"("Encrypt")");
    EXPECT_THAT(message_of(service_.ask("CreateGrant", with_key("alias/x", good))),
                "InvalidArnException: Key Aliases are not supported for this operation.");
    EXPECT_EQ(ask("DisableKey", ""), "");
    EXPECT_THAT(ask("CreateGrant", good), HasSubstr("DisabledException"));
}

TEST_F(GrantsTest, OperationsSuitTheKey) {
    struct Case {
        std::string_view key;
        std::string_view good;
        std::string_view bad;
    };
    for (const Case& row : {Case{R"("KeySpec":"RSA_2048","KeyUsage":"ENCRYPT_DECRYPT")",
                                 R"("ReEncryptTo")", R"("GenerateDataKeyPair")"},
                            Case{R"("KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY")",
                                 R"("GetPublicKey","Sign")", R"("Encrypt")"},
                            Case{R"("KeySpec":"ECC_NIST_P256","KeyUsage":"KEY_AGREEMENT")",
                                 R"("DeriveSharedSecret","RetireGrant")", R"("Verify")"},
                            Case{R"("KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC")",
                                 R"("VerifyMac")", R"("GetPublicKey")"}}) {
        key_ = make_key(service_, "{" + std::string(row.key) + "}");
        EXPECT_EQ(ask("CreateGrant", grant_to(kBob, row.good)), "") << row.key;
        EXPECT_THAT(ask("CreateGrant", grant_to(kBob, row.bad)), HasSubstr("Validation"))
            << row.key;
        EXPECT_THAT(
            ask("CreateGrant",
                grant_to(kBob, row.good, constrained("EncryptionContextSubset", R"({"a":"b"})"))),
            HasSubstr("only for symmetric"))
            << row.key;
    }
}

TEST_F(GrantsTest, ANameMakesARequestSafeToRepeat) {
    const std::string members =
        grant_to(kBob, R"("Encrypt","Decrypt","Encrypt")", R"("Name":"one")");
    const std::string id = create(members);
    const std::string token = token_;
    EXPECT_EQ(create(grant_to(kBob, R"("Decrypt","Encrypt")", R"("Name":"one")")), id);
    EXPECT_NE(token_, token);
    EXPECT_EQ(parse_grant_token(token_), parse_grant_token(token));
    EXPECT_NE(create(grant_to(kBob, R"("Decrypt")", R"("Name":"one")")), id);
    EXPECT_NE(create(grant_to(kBob, R"("Decrypt","Encrypt")", R"("Name":"two")")), id);
    EXPECT_THAT(listed(), SizeIs(3));
    const std::string unnamed = create(grant_to(kBob, R"("Decrypt")"));
    EXPECT_NE(create(grant_to(kBob, R"("Decrypt")")), unnamed);
    EXPECT_THAT(listed(), SizeIs(5));
    // The same name on another key is another grant.
    key_ = make_key(service_);
    EXPECT_NE(create(members), id);
    EXPECT_THAT(listed(), SizeIs(1));
}

TEST_F(GrantsTest, AGranteeCanOnlyPassOnWhatHeHas) {
    create(grant_to(kBob, R"("CreateGrant","Encrypt","RetireGrant")",
                    constrained("EncryptionContextSubset", R"({"a":"b"})")));
    const auto pass_on = [&](std::string_view operations, std::string_view constraint) {
        return ask("CreateGrant", grant_to(kCarol, operations, constraint), nobody("bob"));
    };
    EXPECT_EQ(pass_on(R"("Encrypt")", constrained("EncryptionContextSubset", R"({"a":"b"})")), "");
    EXPECT_EQ(
        pass_on(R"("Encrypt")", constrained("EncryptionContextEquals", R"({"a":"b","c":"d"})")),
        "");
    for (const auto& [operations, constraint] : std::vector<std::pair<std::string, std::string>>{
             {R"("Encrypt")", ""},
             {R"("Encrypt")", constrained("EncryptionContextSubset", "{}")},
             {R"("Encrypt")", constrained("EncryptionContextSubset", R"({"c":"d"})")},
             {R"("Decrypt")", constrained("EncryptionContextSubset", R"({"a":"b"})")},
             {R"("Encrypt","Decrypt")", constrained("EncryptionContextEquals", R"({"a":"b"})")}}) {
        EXPECT_THAT(pass_on(operations, constraint), HasSubstr("AccessDenied")) << operations;
    }
    // Whoever has Equals can't pass on Subset, which allows more.
    create(grant_to(kCarol, R"("CreateGrant","Decrypt")",
                    constrained("EncryptionContextEquals", R"({"a":"b"})")));
    const auto from_carol = [&](std::string_view kind) {
        return ask("CreateGrant", grant_to(kBob, R"("Decrypt")", constrained(kind, R"({"a":"b"})")),
                   nobody("carol"));
    };
    EXPECT_THAT(from_carol("EncryptionContextSubset"), HasSubstr("AccessDenied"));
    EXPECT_EQ(from_carol("EncryptionContextEquals"), "");
    EXPECT_THAT(ask("CreateGrant", grant_to(kBob, R"("Encrypt")"), nobody("dave")),
                HasSubstr("AccessDenied"));
}

TEST_F(GrantsTest, PoliciesLimitTheGrantsThatOneMayMake) {
    const std::vector<std::tuple<std::string, std::string, bool>> cases{
        {R"("ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","Decrypt"]})",
         grant_to(kBob, R"("Encrypt")"), true},
        {R"("ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","Decrypt"]})",
         grant_to(kBob, R"("Encrypt","GenerateDataKey")"), false},
        {R"("StringEquals":{"kms:GranteePrincipal":"arn:aws:iam::111122223333:user/bob"})",
         grant_to(kBob, R"("Encrypt")"), true},
        {R"("StringEquals":{"kms:GranteePrincipal":"arn:aws:iam::111122223333:user/bob"})",
         grant_to(kCarol, R"("Encrypt")"), false},
        {R"("StringLike":{"kms:RetiringPrincipal":"*:user/bob"})",
         grant_to(kCarol, R"("Encrypt")", R"("RetiringPrincipal":)" + in_quotes(kBob)), true},
        {R"("StringLike":{"kms:RetiringPrincipal":"*:user/bob"})", grant_to(kCarol, R"("Encrypt")"),
         false},
        {R"("StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"})",
         grant_to(kBob, R"("Encrypt")", constrained("EncryptionContextEquals", R"({"a":"b"})")),
         true},
        {R"("StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"})",
         grant_to(kBob, R"("Encrypt")", constrained("EncryptionContextSubset", R"({"a":"b"})")),
         false},
        {R"("StringEquals":{"kms:EncryptionContext:a":"b"})",
         grant_to(kBob, R"("Encrypt")", constrained("EncryptionContextSubset", R"({"a":"b"})")),
         true},
        {R"("Bool":{"kms:GrantIsForAWSResource":"true"})", grant_to(kBob, R"("Encrypt")"), false},
    };
    for (const auto& [condition, members, allowed] : cases) {
        const Caller limited = CoreForTest::caller(
            "eve",
            R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:CreateGrant",)"
            R"("Resource":"*","Condition":{)" +
                condition + "}}]}");
        const std::string got = ask("CreateGrant", members, limited);
        EXPECT_EQ(got.empty(), allowed) << condition << members << got;
    }
}

TEST_F(GrantsTest, TheGrantSaysWhoMayRetireIt) {
    const auto own = [](std::string_view name, std::string_view effect,
                        std::string_view account = kTestAccount) {
        return CoreForTest::caller(name,
                                   R"({"Version":"2012-10-17","Statement":[{"Effect":")" +
                                       std::string(effect) +
                                       R"(","Action":"kms:RetireGrant","Resource":"*"}]})",
                                   account);
    };
    Caller root = nobody("");
    root.arn = "arn:aws:iam::111122223333:root";
    const std::string by_carol = R"("RetiringPrincipal":)" + in_quotes(kCarol);
    const std::vector<std::tuple<std::string, Caller, bool>> cases{
        {grant_to(kBob, R"("Encrypt")", by_carol), nobody("carol"), true},
        {grant_to(kBob, R"("Encrypt")", by_carol), own("carol", "Deny"), false},
        {grant_to(kBob, R"("Encrypt")", by_carol), nobody("bob"), false},
        {grant_to(kBob, R"("Encrypt","RetireGrant")"), nobody("bob"), true},
        {grant_to(kBob, R"("Encrypt","RetireGrant")"), nobody("carol"), false},
        {grant_to(kBob, R"("Encrypt")"), nobody("carol"), false},
        {grant_to(kBob, R"("Encrypt")"), root, true},
        {grant_to(kBob, R"("Encrypt")"), own("dave", "Allow"), true},
        {grant_to(kBob, R"("Encrypt")"), own("dave", "Allow", "444455556666"), false},
        {grant_to(kBob, R"("Encrypt")", R"("RetiringPrincipal":"arn:aws:iam::444455556666:root")"),
         own("dave", "Allow", "444455556666"), true},
    };
    for (const auto& [members, who, allowed] : cases) {
        const std::string id = create(members);
        const std::string by_token = "{\"GrantToken\":" + in_quotes(token_);
        const Result<Answer> dry = service_.ask("RetireGrant", by_token + ",\"DryRun\":true}", who);
        expect_error(dry, allowed ? KmsErrc::dry_run : KmsErrc::access_denied);
        EXPECT_THAT(listed(), SizeIs(1));
        const Result<Answer> done = service_.ask("RetireGrant", by_token + "}", who);
        EXPECT_EQ(done.ok(), allowed) << members << who.arn;
        if (!allowed) {
            EXPECT_EQ(ask("RetireGrant", R"("GrantId":)" + in_quotes(id), root), "");
        }
        EXPECT_THAT(listed(), IsEmpty());
    }
}

TEST_F(GrantsTest, ARetirementNamesItsGrantInOneWay) {
    const std::string id = create(grant_to(kBob, R"("Encrypt")"));
    const auto retire = [&](const std::string& input) {
        return message_of(service_.ask("RetireGrant", input));
    };
    const std::string both = "Grant token OR (grant ID, key ID) must be specified";
    EXPECT_THAT(retire("{}"), HasSubstr(both));
    EXPECT_THAT(retire(R"({"GrantId":)" + in_quotes(id) + "}"), HasSubstr(both));
    EXPECT_THAT(retire(with_key(key_)), HasSubstr(both));
    EXPECT_THAT(retire(with_key(key_, R"("GrantToken":)" + in_quotes(token_))), HasSubstr(both));
    EXPECT_THAT(retire(R"({"GrantToken":"AAAA"})"), HasSubstr("InvalidGrantTokenException"));
    EXPECT_THAT(retire(with_key(key_, R"("GrantId":"x")")), HasSubstr("InvalidGrantIdException"));
    EXPECT_THAT(retire(with_key(key_, R"("GrantId":)" + in_quotes(std::string(64, 'a')))),
                HasSubstr("NotFoundException"));
    // Another key's grant.
    const std::string other = make_key(service_);
    EXPECT_THAT(retire(with_key(other, R"("GrantId":)" + in_quotes(id))),
                HasSubstr("NotFoundException"));
    const std::string forged = make_grant_token({other, id});
    EXPECT_THAT(retire(R"({"GrantToken":)" + in_quotes(forged) + "}"),
                HasSubstr("NotFoundException"));
    EXPECT_EQ(listed(), std::vector<std::string>{id});
}

TEST_F(GrantsTest, ListsTellAllOfAGrant) {
    const std::string id =
        create(grant_to(kBob, R"("Encrypt","Decrypt")",
                        R"("Name":"one","RetiringPrincipal":)" + in_quotes(kCarol) + "," +
                            constrained("EncryptionContextSubset", R"({"a":"b"})")));
    const Result<Answer> answer = service_.ask("ListGrants", with_key(key_));
    ASSERT_TRUE(answer.ok());
    EXPECT_FALSE(answer->at("Truncated").as_bool());
    ASSERT_THAT(answer->at("Grants").as_array(), SizeIs(1));
    const json::object& entry = answer->at("Grants").as_array()[0].as_object();
    const Result<json::object> expected = parse_object(
        R"({"KeyId":"arn:aws:kms:eu-central-1:111122223333:key/)" + key_ + R"(","GrantId":")" + id +
            R"(","Name":"one","GranteePrincipal":"arn:aws:iam::111122223333:user/bob",)"
            R"("RetiringPrincipal":"arn:aws:iam::111122223333:user/carol",)"
            R"("IssuingAccount":"arn:aws:iam::111122223333:root","Operations":["Decrypt","Encrypt"],)"
            R"("Constraints":{"EncryptionContextSubset":{"a":"b"}}})",
        json::storage_ptr());
    ASSERT_TRUE(expected.ok());
    json::object found = entry;
    EXPECT_TRUE(found["CreationDate"].is_number());
    found.erase("CreationDate");
    EXPECT_EQ(found, *expected);
}

TEST_F(GrantsTest, ListsComeInPages) {
    const std::string by_carol = R"("RetiringPrincipal":)" + in_quotes(kCarol);
    std::vector<std::string> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(create(grant_to(kBob, R"("Encrypt")", by_carol)));
    }
    std::sort(all.begin(), all.end());
    const std::string other = create(grant_to(kCarol, R"("Encrypt")"));
    const std::string of_bob = R"("GranteePrincipal":)" + in_quotes(kBob);
    EXPECT_EQ(listed(of_bob), all);
    EXPECT_THAT(listed(R"("GrantId":)" + in_quotes(other)), ElementsAre(other));
    EXPECT_THAT(listed(R"("GrantId":)" + in_quotes(other) + "," + of_bob), IsEmpty());
    EXPECT_THAT(listed(R"("GrantId":)" + in_quotes(std::string(64, '0'))), IsEmpty());
    EXPECT_THAT(ask("ListGrants", R"("GrantId":"x")"), HasSubstr("InvalidGrantIdException"));
    EXPECT_THAT(ask("ListGrants", R"("Limit":101)"), HasSubstr("less than or equal to 100"));
    for (const auto& [operation, members] : std::vector<std::pair<std::string, std::string>>{
             {"ListGrants", of_bob}, {"ListRetirableGrants", by_carol}}) {
        std::vector<std::string> found;
        std::string more;
        do {
            const Result<Answer> page =
                service_.ask(operation, with_key(key_, members + R"(,"Limit":2)" + more));
            ASSERT_TRUE(page.ok()) << page.error().message();
            for (const std::string& id : names_of(*page, "Grants", "GrantId")) {
                found.push_back(id);
            }
            more = page->at("Truncated").as_bool()
                       ? R"(,"Marker":)" + in_quotes(text_of(*page, "NextMarker"))
                       : "";
        } while (!more.empty());
        EXPECT_EQ(found, all) << operation;
    }
    EXPECT_THAT(
        ask("ListRetirableGrants", R"("RetiringPrincipal":"arn:aws:iam::444455556666:user/x")"),
        HasSubstr("AccessDenied"));
    EXPECT_THAT(ask("ListRetirableGrants", by_carol, nobody("carol")), HasSubstr("AccessDenied"));
    EXPECT_THAT(ask("ListGrants", "", nobody("bob")), HasSubstr("AccessDenied"));
}

TEST_F(GrantsTest, ADryRunChangesNothing) {
    const std::string members = grant_to(kBob, R"("Encrypt")");
    EXPECT_THAT(ask("CreateGrant", members + R"(,"DryRun":true)"),
                HasSubstr("DryRunOperationException"));
    EXPECT_THAT(listed(), IsEmpty());
    const std::string id = R"("GrantId":)" + in_quotes(create(members));
    EXPECT_THAT(ask("RevokeGrant", id + R"(,"DryRun":true)"),
                HasSubstr("DryRunOperationException"));
    EXPECT_THAT(listed(), SizeIs(1));
}

TEST_F(GrantsTest, TokensAreTakenWhereverGrantsCount) {
    create(grant_to(kBob, R"("Encrypt")"));
    const std::string plaintext = R"("Plaintext":"aGVsbG8=","GrantTokens":[)";
    EXPECT_EQ(ask("Encrypt", plaintext + in_quotes(token_) + "]", nobody("bob")), "");
    // A token gives nobody anything.
    EXPECT_THAT(ask("Encrypt", plaintext + in_quotes(token_) + "]", nobody("carol")),
                HasSubstr("AccessDenied"));
    EXPECT_THAT(ask("Encrypt", plaintext + "\"x\"]", nobody("bob")),
                HasSubstr("InvalidGrantTokenException"));
    std::string many;
    for (int i = 0; i < 11; ++i) {
        many += (i == 0 ? "" : ",") + in_quotes(token_);
    }
    EXPECT_THAT(ask("Encrypt", plaintext + many + "]", nobody("bob")),
                HasSubstr("less than or equal to 10"));
}

TEST(GrantTokenTest, OnlyWholeTokensAreRead) {
    const GrantName name{"01234567-89ab-4def-8123-456789abcdef", std::string(64, 'a')};
    const std::string token = make_grant_token(name);
    EXPECT_EQ(parse_grant_token(token), name);
    for (const std::string& bad :
         {std::string(), token.substr(4), token + "AAAA", "A" + token.substr(1),
          token.substr(0, token.size() - 4), "!" + token.substr(1)}) {
        EXPECT_EQ(parse_grant_token(bad), std::nullopt) << bad;
    }
}

}  // namespace
}  // namespace casemate::kms
