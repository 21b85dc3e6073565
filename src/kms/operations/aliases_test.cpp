#include "kms/operations/aliases.hpp"

#include <gmock/gmock.h>

#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kPrefix = "arn:aws:kms:eu-central-1:111122223333:";

std::string input_of(std::string_view name, std::string_view target = {}) {
    json::object input{{"AliasName", name}};
    if (!target.empty()) {
        input["TargetKeyId"] = target;
    }
    return json::serialize(input);
}

class AliasesTest : public ::testing::Test {
protected:
    Result<Answer> create(std::string_view name, std::string_view target,
                          Caller who = CoreForTest::caller()) {
        return service_.ask("CreateAlias", input_of(name, target), std::move(who));
    }
    Result<Answer> move(std::string_view name, std::string_view target,
                        Caller who = CoreForTest::caller()) {
        return service_.ask("UpdateAlias", input_of(name, target), std::move(who));
    }
    Result<Answer> remove(std::string_view name, Caller who = CoreForTest::caller()) {
        return service_.ask("DeleteAlias", input_of(name), std::move(who));
    }
    // target gives the key that an alias names; "" for none.
    std::string target(std::string_view name) {
        const auto alias = service_.repository().alias(kTestAccount, name);
        return alias ? alias->key_id : std::string();
    }
    std::string arn_of(const std::string& id) { return std::string(kPrefix) + "key/" + id; }

    CoreForTest service_;
};

TEST_F(AliasesTest, AreMadeMovedAndDeleted) {
    const std::string first = make_key(service_);
    const std::string second = make_key(service_);
    const Time made = service_.now();
    ASSERT_TRUE(create("alias/app", first).value().empty());
    service_.set_now(made + std::chrono::seconds(5));
    ASSERT_TRUE(move("alias/app", arn_of(second)).value().empty());
    const Answer listed = service_.ask("ListAliases", "{}").value();
    EXPECT_EQ(listed,
              (json::object{{"Aliases",
                             {{{"AliasName", "alias/app"},
                               {"AliasArn", std::string(kPrefix) + "alias/app"},
                               {"TargetKeyId", second},
                               {"CreationDate", time_value(made)},
                               {"LastUpdatedDate", time_value(made + std::chrono::seconds(5))}}}},
                            {"Truncated", false}}));
    EXPECT_EQ(text_of(metadata_of(service_.ask("DescribeKey", with_key("alias/app"))), "KeyId"),
              second);
    // To where it is already: nothing to do.
    ASSERT_TRUE(move("alias/app", second).ok());
    ASSERT_TRUE(remove("alias/app").value().empty());
    EXPECT_EQ(target("alias/app"), "");
    expect_error(service_.ask("DescribeKey", with_key("alias/app")), KmsErrc::not_found);
}

TEST_F(AliasesTest, NamesAreAWSs) {
    const std::string id = make_key(service_);
    const std::string longest = "alias/" + std::string(250, 'a');
    for (const std::string& name : {std::string("alias/a"), std::string("alias/aws"),
                                    std::string("alias/A/b_c-9"), longest}) {
        EXPECT_TRUE(create(name, id).ok()) << name;
    }
    struct Bad {
        std::string name;
        KmsErrc code;
        std::string sentence;
    };
    const std::vector<Bad> cases = {
        {"app", KmsErrc::validation,
         "Alias must start with the prefix \"alias/\". Please see "
         "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"},
        {"alias/a b", KmsErrc::validation,
         "1 validation error detected: Value 'alias/a b' at 'aliasName' failed to satisfy "
         "constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
        {"alias/a:b", KmsErrc::validation, "alias/a:b contains invalid characters for an alias"},
        {"alias/é", KmsErrc::validation, "Member must satisfy regular expression pattern"},
        {"alias/a\n", KmsErrc::validation, "Value 'alias/a?' at 'aliasName'"},
        {"alias/", KmsErrc::invalid_alias_name, "expected a name after alias/, found none"},
        {"alias/aws/s3", KmsErrc::not_authorized, "Aliases beginning with alias/aws/ are reserved"},
        {longest + "a", KmsErrc::validation, "Member must have length less than or equal to 256"},
        {"", KmsErrc::validation, "Member must have length greater than or equal to 1"},
        {std::string(kPrefix) + "alias/a", KmsErrc::validation, "Alias must start with"},
    };
    for (const Bad& one : cases) {
        for (const auto& answer : {create(one.name, id), move(one.name, id), remove(one.name)}) {
            expect_error(answer, one.code);
            EXPECT_THAT(message_of(answer), HasSubstr(one.sentence));
        }
    }
    expect_error(service_.ask("CreateAlias", R"({"AliasName":"alias/x"})"), KmsErrc::validation);
    expect_error(service_.ask("CreateAlias", R"({"AliasName":5,"TargetKeyId":"x"})"),
                 KmsErrc::serialization);
}

TEST_F(AliasesTest, OneThatIsThereIsNotMadeAgainAndOneThatIsNotIsNotFound) {
    const std::string id = make_key(service_);
    const std::string other = make_key(service_);
    ASSERT_TRUE(create("alias/app", id).ok());
    for (const std::string& key : {id, other}) {
        EXPECT_EQ(message_of(create("alias/app", key)),
                  "AlreadyExistsException: An alias with the name " + std::string(kPrefix) +
                      "alias/app already exists");
    }
    EXPECT_EQ(target("alias/app"), id);
    const std::string sentence =
        "NotFoundException: Alias " + std::string(kPrefix) + "alias/none is not found.";
    EXPECT_EQ(message_of(move("alias/none", id)), sentence);
    EXPECT_EQ(message_of(remove("alias/none")), sentence);
}

TEST_F(AliasesTest, TargetsAreKeysOfTheAccount) {
    const std::string id = make_key(service_);
    ASSERT_TRUE(create("alias/app", id).ok());
    for (const std::string& alias :
         {std::string("alias/app"), std::string("alias/none"), std::string("alias/a b"),
          std::string(kPrefix) + "alias/app"}) {
        EXPECT_EQ(message_of(create("alias/x", alias)),
                  "ValidationException: Aliases must refer to keys. Not aliases");
        EXPECT_EQ(message_of(move("alias/app", alias)),
                  "ValidationException: Aliases must refer to keys. Not aliases");
    }
    expect_error(create("alias/x", new_uuid()), KmsErrc::not_found);
    expect_error(create("alias/x", "nothing"), KmsErrc::not_found);
    const Caller eve = CoreForTest::caller("eve", CoreForTest::kEverything, "999999999999");
    const std::string foreign = make_key(service_, "{}", eve);
    expect_error(create("alias/x", "arn:aws:kms:eu-central-1:999999999999:key/" + foreign),
                 KmsErrc::access_denied);
    expect_error(create("alias/x", foreign), KmsErrc::not_found);
    EXPECT_EQ(target("alias/x"), "");
}

TEST_F(AliasesTest, EachAccountHasItsOwn) {
    const Caller eve = CoreForTest::caller("eve", CoreForTest::kEverything, "999999999999");
    const std::string own = make_key(service_);
    const std::string foreign = make_key(service_, "{}", eve);
    ASSERT_TRUE(create("alias/app", own).ok());
    ASSERT_TRUE(create("alias/app", foreign, eve).ok());
    ASSERT_TRUE(create("alias/eve", foreign, eve).ok());
    EXPECT_EQ(
        text_of(metadata_of(service_.ask("DescribeKey", with_key("alias/app"), eve)), "KeyId"),
        foreign);
    EXPECT_EQ(text_of(metadata_of(service_.ask("DescribeKey", with_key("alias/app"))), "KeyId"),
              own);
    EXPECT_THAT(names_of(*service_.ask("ListAliases", "{}"), "Aliases", "AliasName"),
                ElementsAre("alias/app"));
    EXPECT_THAT(names_of(*service_.ask("ListAliases", "{}", eve), "Aliases", "AliasArn"),
                ElementsAre("arn:aws:kms:eu-central-1:999999999999:alias/app",
                            "arn:aws:kms:eu-central-1:999999999999:alias/eve"));
    expect_error(remove("alias/eve"), KmsErrc::not_found);
    ASSERT_TRUE(remove("alias/app", eve).ok());
    EXPECT_EQ(target("alias/app"), own);
}

TEST_F(AliasesTest, MoveBetweenKeysOfOneKindOnly) {
    const auto make = [&](const std::string& spec, const std::string& usage) {
        return make_key(service_, R"({"KeySpec":")" + spec + R"(","KeyUsage":")" + usage + "\"}");
    };
    const std::string symmetric = make_key(service_);
    const std::string hmac = make("HMAC_256", "GENERATE_VERIFY_MAC");
    const std::string larger_hmac = make("HMAC_512", "GENERATE_VERIFY_MAC");
    const std::string rsa = make("RSA_2048", "SIGN_VERIFY");
    const std::string rsa_encryption = make("RSA_2048", "ENCRYPT_DECRYPT");
    const std::string curve = make("ECC_NIST_P256", "SIGN_VERIFY");
    const std::string agreement = make("ECC_NIST_P256", "KEY_AGREEMENT");
    struct Move {
        std::string from;
        std::string to;
        bool allowed;
    };
    const std::vector<Move> cases = {
        {hmac, larger_hmac, true},          {rsa, curve, true},
        {symmetric, hmac, false},           {hmac, rsa, false},
        {curve, agreement, false},          {rsa, rsa_encryption, false},
        {symmetric, rsa_encryption, false}, {rsa_encryption, symmetric, false},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        SCOPED_TRACE(i);
        const std::string name = "alias/" + std::to_string(i);
        ASSERT_TRUE(create(name, cases[i].from).ok());
        const auto moved = move(name, cases[i].to);
        EXPECT_EQ(moved.ok(), cases[i].allowed);
        EXPECT_EQ(target(name), cases[i].allowed ? cases[i].to : cases[i].from);
        if (!cases[i].allowed) {
            EXPECT_THAT(message_of(moved),
                        HasSubstr("ValidationException: The alias can only be moved to a key of "
                                  "the same type and key usage"));
        }
    }
}

TEST_F(AliasesTest, LeaveAKeyThatIsPendingDeletion) {
    const std::string from = make_key(service_);
    const std::string to = make_key(service_);
    ASSERT_TRUE(create("alias/app", from).ok());
    ASSERT_TRUE(service_.ask("ScheduleKeyDeletion", with_key(from)).ok());
    EXPECT_TRUE(move("alias/app", to).ok());
    EXPECT_EQ(message_of(move("alias/app", from)),
              "KMSInvalidStateException: " + arn_of(from) + " is pending deletion.");
}

TEST_F(AliasesTest, AKeyHasFiftyAtMost) {
    const std::string full = make_key(service_);
    const std::string other = make_key(service_);
    for (std::size_t i = 0; i < kMostAliases; ++i) {
        ASSERT_TRUE(create("alias/" + std::to_string(i), full).ok());
    }
    expect_error(create("alias/more", full), KmsErrc::limit_exceeded);
    ASSERT_TRUE(create("alias/more", other).ok());
    expect_error(move("alias/more", full), KmsErrc::limit_exceeded);
    // One that it has may stay, and one that goes makes room.
    EXPECT_TRUE(move("alias/7", full).ok());
    ASSERT_TRUE(remove("alias/7").ok());
    EXPECT_TRUE(move("alias/more", full).ok());
}

TEST_F(AliasesTest, AreListedByPagesAndByKey) {
    const std::string one = make_key(service_);
    const std::string two = make_key(service_);
    for (const char* name : {"alias/a", "alias/c", "alias/e"}) {
        ASSERT_TRUE(create(name, one).ok());
    }
    for (const char* name : {"alias/b", "alias/d"}) {
        ASSERT_TRUE(create(name, two).ok());
    }
    const auto list = [&](std::string input) {
        std::vector<std::string> names;
        for (int pages = 0; pages < 10; ++pages) {
            const Answer page = service_.ask("ListAliases", input).value();
            const auto found = names_of(page, "Aliases", "AliasName");
            EXPECT_LE(found.size(), 2U);
            names.insert(names.end(), found.begin(), found.end());
            if (!page.at("Truncated").as_bool()) {
                return names;
            }
            json::object next = json::parse(input).as_object();
            next["Marker"] = page.at("NextMarker");
            input = json::serialize(next);
        }
        return names;
    };
    EXPECT_THAT(list(R"({"Limit":2})"),
                ElementsAre("alias/a", "alias/b", "alias/c", "alias/d", "alias/e"));
    EXPECT_THAT(list(R"({"Limit":2,"KeyId":")" + one + "\"}"),
                ElementsAre("alias/a", "alias/c", "alias/e"));
    EXPECT_THAT(list(R"({"KeyId":")" + arn_of(two) + "\"}"), ElementsAre("alias/b", "alias/d"));
    EXPECT_THAT(list(R"({"KeyId":")" + make_key(service_) + "\"}"), IsEmpty());
    expect_error(service_.ask("ListAliases", with_key(new_uuid())), KmsErrc::not_found);
    expect_error(service_.ask("ListAliases", with_key("alias/a")), KmsErrc::not_found);
    expect_error(service_.ask("ListAliases", R"({"Limit":101})"), KmsErrc::validation);
    expect_error(service_.ask("ListAliases", R"({"Marker":"?"})"), KmsErrc::invalid_marker);
}

// A caller who may do one operation, on resources of his own policy's choice.
Caller bob(std::string_view action, std::string_view resource) {
    return CoreForTest::caller(
        "bob", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":")" +
                   std::string(action) + R"(","Resource":[)" + std::string(resource) + "]}]}");
}

TEST_F(AliasesTest, PermissionIsNeededOnTheAliasAndOnItsKeys) {
    const std::string id = make_key(service_);
    const std::string other = make_key(service_);
    const std::string alias = "\"" + std::string(kPrefix) + "alias/app\"";
    const std::string key = "\"" + arn_of(id) + "\"";
    const std::string other_key = "\"" + arn_of(other) + "\"";
    for (const std::string& resources : {alias, key}) {
        expect_error(create("alias/app", id, bob("kms:CreateAlias", resources)),
                     KmsErrc::access_denied);
    }
    EXPECT_EQ(target("alias/app"), "");
    ASSERT_TRUE(create("alias/app", id, bob("kms:CreateAlias", alias + "," + key)).ok());
    for (const std::string& resources :
         {alias + "," + key, alias + "," + other_key, key + "," + other_key}) {
        expect_error(move("alias/app", other, bob("kms:UpdateAlias", resources)),
                     KmsErrc::access_denied);
    }
    EXPECT_EQ(target("alias/app"), id);
    ASSERT_TRUE(
        move("alias/app", other, bob("kms:UpdateAlias", alias + "," + key + "," + other_key)).ok());
    for (const std::string& resources : {alias + "," + key, other_key}) {
        expect_error(remove("alias/app", bob("kms:DeleteAlias", resources)),
                     KmsErrc::access_denied);
    }
    EXPECT_EQ(target("alias/app"), other);
    ASSERT_TRUE(remove("alias/app", bob("kms:DeleteAlias", alias + "," + other_key)).ok());
    // Who may not touch an alias is not told whether it is there.
    expect_error(remove("alias/app", bob("kms:DeleteAlias", key)), KmsErrc::access_denied);
    expect_error(service_.ask("ListAliases", "{}", bob("kms:ListAliases", key)),
                 KmsErrc::access_denied);
    EXPECT_TRUE(service_.ask("ListAliases", "{}", bob("kms:ListAliases", "\"*\"")).ok());
}

TEST_F(AliasesTest, WhatIsUsedIsNoted) {
    const std::string from = make_key(service_);
    const std::string to = make_key(service_);
    ASSERT_TRUE(create("alias/app", from).ok());
    Call call = service_.call("UpdateAlias", input_of("alias/app", to));
    ASSERT_TRUE(perform(service_.core(), call).ok());
    EXPECT_THAT(call.notes.keys, ElementsAre(arn_of(from), arn_of(to)));
    EXPECT_THAT(call.notes.parameters, ElementsAre(std::pair("aliasName", "alias/app")));
}

}  // namespace
}  // namespace casemate::kms
