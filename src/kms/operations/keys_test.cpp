#include "kms/operations/keys.hpp"
#include "kms/core/grant_token.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

#include "kms/operations/keys_for_test.hpp"
#include "kms/operations/own_key.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kForeignAccount = "999999999999";

// put_state gives a key a state as the service would leave it.
void put_state(CoreForTest& service, const std::string& id, KeyState state) {
    Key key = service.repository().key(id).value();
    key.state = state;
    if (state == KeyState::pending_deletion) {
        key.deletion_date = service.now() + std::chrono::days(7);
    }
    ASSERT_TRUE(service.repository().update_key(key));
}

std::string alias_input(std::string_view name, std::string_view target = {}) {
    std::string text = R"({"AliasName":"alias/)" + std::string(name) + '"';
    if (!target.empty()) {
        text += R"(,"TargetKeyId":")" + std::string(target) + '"';
    }
    return text + "}";
}

// input_for makes a request of an operation on a key that only the key's state can be against.
std::string input_for(CoreForTest& service, const std::string& operation, const std::string& id) {
    if (operation == "CreateAlias") {
        return alias_input(id, id);
    }
    if (operation == "UpdateAlias" || operation == "DeleteAlias") {
        const std::string first = operation == "UpdateAlias" ? make_key(service) : id;
        EXPECT_TRUE(service.ask("CreateAlias", alias_input(id, first)).ok());
        return operation == "UpdateAlias" ? alias_input(id, id) : alias_input(id);
    }
    if (operation == "PutKeyPolicy") {
        const Key key = service.repository().key(id).value();
        return with_key(id, R"("Policy":)" + json::serialize(json::value(key.policy)));
    }
    if (operation == "TagResource") {
        return with_key(id, R"("Tags":[{"TagKey":"a","TagValue":"b"}])");
    }
    if (operation == "UntagResource") {
        return with_key(id, R"("TagKeys":["a"])");
    }
    return with_key(id, R"("Description":"new")");
}

struct StateCase {
    std::string operation;
    // What becomes of keys that are enabled, disabled, pending import and pending deletion: '+', or
    // why not: 'd' is pending deletion, 'i' is pending import, 'n' is not pending deletion.
    std::string outcomes;
};

// KMS Developer Guide, "Key states of AWS KMS keys".
std::vector<StateCase> state_cases() {
    return {
        {"CancelKeyDeletion", "nnn+"}, {"CreateAlias", "+++d"},
        {"DeleteAlias", "++++"},       {"DescribeKey", "++++"},
        {"DisableKey", "++id"},        {"EnableKey", "++id"},
        {"GetKeyPolicy", "++++"},      {"ListAliases", "++++"},
        {"ListKeyPolicies", "++++"},   {"ListResourceTags", "++++"},
        {"PutKeyPolicy", "++++"},      {"ScheduleKeyDeletion", "+++d"},
        {"TagResource", "+++d"},       {"UntagResource", "+++d"},
        {"UpdateAlias", "+++d"},       {"UpdateKeyDescription", "+++d"},
    };
}

std::string sentence_of(char outcome) {
    switch (outcome) {
        case 'd':
            return " is pending deletion.";
        case 'i':
            return " is pending import.";
        default:
            return " is not pending deletion.";
    }
}

TEST(KeyStates, EachOperationTakesTheStatesOfAwssTable) {
    CoreForTest service;
    const std::vector<StateCase> cases = state_cases();
    ASSERT_EQ(cases.size(), state_rules().size());
    constexpr std::array kStates{KeyState::enabled, KeyState::disabled, KeyState::pending_import,
                                 KeyState::pending_deletion};
    for (std::size_t i = 0; i < cases.size(); ++i) {
        EXPECT_EQ(state_rules()[i].operation, cases[i].operation);
        for (std::size_t j = 0; j < kStates.size(); ++j) {
            SCOPED_TRACE(cases[i].operation + " " + std::string(name_of(kStates[j])));
            const bool import = kStates[j] == KeyState::pending_import;
            const std::string id = make_key(service, import ? R"({"Origin":"EXTERNAL"})" : "{}");
            const std::string input = input_for(service, cases[i].operation, id);
            put_state(service, id, kStates[j]);
            const Key before = service.repository().key(id).value();
            const auto answer = service.ask(cases[i].operation, input);
            if (cases[i].outcomes[j] == '+') {
                EXPECT_TRUE(answer.ok()) << message_of(answer);
                continue;
            }
            EXPECT_EQ(message_of(answer), "KMSInvalidStateException: " + before.arn +
                                              sentence_of(cases[i].outcomes[j]));
            EXPECT_EQ(service.repository().key(id).value(), before);
        }
    }
}

TEST(KeyStates, AnOperationWithoutARuleTakesNone) {
    EXPECT_TRUE(require_state(Key(), "Decrypt").error().is(KmsErrc::internal));
}

TEST(Keys, AreDisabledAndEnabled) {
    CoreForTest service;
    const std::string id = make_key(service);
    ASSERT_TRUE(service.ask("DisableKey", with_key(id)).value().empty());
    json::object metadata = metadata_of(service.ask("DescribeKey", with_key(id)));
    EXPECT_EQ(text_of(metadata, "KeyState"), "Disabled");
    EXPECT_EQ(metadata.at("Enabled"), false);
    // Once more changes nothing.
    const Key disabled = service.repository().key(id).value();
    ASSERT_TRUE(service.ask("DisableKey", with_key(id)).ok());
    EXPECT_EQ(service.repository().key(id).value(), disabled);
    ASSERT_TRUE(service.ask("EnableKey", with_key(disabled.arn)).value().empty());
    metadata = metadata_of(service.ask("DescribeKey", with_key(id)));
    EXPECT_EQ(text_of(metadata, "KeyState"), "Enabled");
    EXPECT_EQ(metadata.at("Enabled"), true);
}

TEST(Keys, AreScheduledForDeletionAndSaved) {
    CoreForTest service;
    const std::string id = make_key(service);
    const std::string arn = service.repository().key(id)->arn;
    Answer answer = service.ask("ScheduleKeyDeletion", with_key(id)).value();
    const Time in_30_days = service.now() + std::chrono::days(30);
    EXPECT_EQ(answer, (json::object{{"KeyId", arn},
                                    {"DeletionDate", time_value(in_30_days)},
                                    {"KeyState", "PendingDeletion"},
                                    {"PendingWindowInDays", 30}}));
    json::object metadata = metadata_of(service.ask("DescribeKey", with_key(id)));
    EXPECT_EQ(metadata.at("DeletionDate"), time_value(in_30_days));
    EXPECT_EQ(metadata.at("Enabled"), false);
    EXPECT_THAT(service.repository().due_deletions(in_30_days, 5).value(), SizeIs(1));
    answer = service.ask("CancelKeyDeletion", with_key(id)).value();
    EXPECT_EQ(answer, (json::object{{"KeyId", arn}}));
    metadata = metadata_of(service.ask("DescribeKey", with_key(id)));
    EXPECT_EQ(text_of(metadata, "KeyState"), "Disabled");
    EXPECT_FALSE(metadata.contains("DeletionDate"));
    EXPECT_THAT(service.repository().due_deletions(in_30_days, 5).value(), IsEmpty());
    for (const auto& [window, outcome] :
         {std::pair(6, false), std::pair(7, true), std::pair(30, true), std::pair(31, false)}) {
        const std::string one = make_key(service);
        const auto tried =
            service.ask("ScheduleKeyDeletion",
                        with_key(one, R"("PendingWindowInDays":)" + std::to_string(window)));
        ASSERT_EQ(tried.ok(), outcome) << window;
        if (outcome) {
            EXPECT_EQ(tried->at("DeletionDate"),
                      time_value(service.now() + std::chrono::days(window)));
        } else {
            EXPECT_THAT(message_of(tried), HasSubstr("at 'pendingWindowInDays'"));
            EXPECT_EQ(service.repository().key(one)->state, KeyState::enabled);
        }
    }
}

TEST(Keys, WithoutMaterialAwaitItAgainWhenTheyAreSaved) {
    CoreForTest service;
    const std::string id = make_key(service, R"({"Origin":"EXTERNAL"})");
    ASSERT_TRUE(service.ask("ScheduleKeyDeletion", with_key(id)).ok());
    ASSERT_TRUE(service.ask("CancelKeyDeletion", with_key(id)).ok());
    EXPECT_EQ(service.repository().key(id)->state, KeyState::pending_import);
}

TEST(Keys, AreDescribedAnew) {
    CoreForTest service;
    const std::string id = make_key(service, R"({"Description":"old"})");
    ASSERT_TRUE(
        service.ask("UpdateKeyDescription", with_key(id, R"("Description":"\"new\"")")).ok());
    EXPECT_EQ(text_of(metadata_of(service.ask("DescribeKey", with_key(id))), "Description"),
              "\"new\"");
    ASSERT_TRUE(service.ask("UpdateKeyDescription", with_key(id, R"("Description":"")")).ok());
    EXPECT_EQ(service.repository().key(id)->description, "");
    EXPECT_EQ(
        message_of(service.ask("UpdateKeyDescription", with_key(id))),
        "ValidationException: 1 validation error detected: Value null at 'description' failed "
        "to satisfy constraint: Member must not be null");
    expect_error(service.ask("UpdateKeyDescription",
                             with_key(id, R"("Description":")" + std::string(8193, 'x') + '"')),
                 KmsErrc::validation);
    expect_error(service.ask("UpdateKeyDescription", with_key(id, R"("Description":"\u0000")")),
                 KmsErrc::validation);
}

TEST(Keys, AreDescribedByAllTheirNames) {
    CoreForTest service;
    const std::string id = make_key(service);
    ASSERT_TRUE(service.ask("CreateAlias", alias_input("app", id)).ok());
    const std::string prefix = "arn:aws:kms:eu-central-1:111122223333:";
    for (const std::string& name :
         {id, prefix + "key/" + id, std::string("alias/app"), prefix + "alias/app"}) {
        EXPECT_EQ(text_of(metadata_of(service.ask("DescribeKey", with_key(name))), "KeyId"), id);
    }
    const std::string token = '"' + make_grant_token({id, std::string(64, 'a')}) + '"';
    std::string tokens = R"("GrantTokens":[)" + token;
    for (int i = 0; i < 9; ++i) {
        tokens += "," + token;
    }
    EXPECT_TRUE(service.ask("DescribeKey", with_key(id, tokens + "]")).ok());
    expect_error(service.ask("DescribeKey", with_key(id, tokens + "," + token + "]")),
                 KmsErrc::validation);
    EXPECT_EQ(message_of(service.ask("DescribeKey", with_key("alias/other"))),
              "NotFoundException: Alias " + prefix + "alias/other is not found.");
    const std::string absent = new_uuid();
    EXPECT_EQ(message_of(service.ask("DescribeKey", with_key(absent))),
              "NotFoundException: Key '" + prefix + "key/" + absent + "' does not exist");
}

// Every operation on a key refuses one that is not named, not there, not the caller's account's,
// named by an alias, or not his to use.
TEST(Keys, ManagementIsForThoseOfTheOwnAccountByIdOrArn) {
    CoreForTest service;
    const std::string id = make_key(service);
    const std::string arn = service.repository().key(id)->arn;
    ASSERT_TRUE(service.ask("CreateAlias", alias_input("app", id)).ok());
    for (const std::string operation :
         {"CancelKeyDeletion", "DisableKey", "EnableKey", "GetKeyPolicy", "ListKeyPolicies",
          "ListResourceTags", "PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource",
          "UpdateKeyDescription"}) {
        SCOPED_TRACE(operation);
        const auto with = [&](const std::string& key) {
            json::value input = json::parse(input_for(service, operation, id));
            input.as_object()["KeyId"] = key;
            return json::serialize(input);
        };
        const Key before = service.repository().key(id).value();
        EXPECT_EQ(message_of(service.ask(operation, with("alias/app"))),
                  "NotFoundException: Invalid keyId 'alias/app'");
        EXPECT_EQ(message_of(service.ask(operation,
                                         with("arn:aws:kms:eu-central-1:111122223333:alias/app"))),
                  "NotFoundException: Invalid arn "
                  "arn:aws:kms:eu-central-1:111122223333:alias/app");
        expect_error(service.ask(operation, with(new_uuid())), KmsErrc::not_found);
        expect_error(service.ask(operation, with("")), KmsErrc::validation);
        expect_error(service.ask(operation, with(std::string(2049, 'a'))), KmsErrc::validation);
        expect_error(service.ask(operation, R"({"PolicyName":"default","Policy":"{}"})"),
                     operation == "PutKeyPolicy" ? KmsErrc::malformed_policy : KmsErrc::validation);
        const Caller stranger =
            CoreForTest::caller("eve", CoreForTest::kEverything, kForeignAccount);
        expect_error(service.ask(operation, with(id), stranger), KmsErrc::not_found);
        expect_error(service.ask(operation, with(arn), stranger), KmsErrc::access_denied);
        const auto denied = service.ask(operation, with(id), CoreForTest::caller("bob", ""));
        expect_error(denied, KmsErrc::access_denied);
        EXPECT_THAT(message_of(denied), HasSubstr("kms:" + operation + " on resource: " + arn));
        EXPECT_EQ(service.repository().key(id).value(), before);
    }
}

TEST(Keys, AreListedByPages) {
    CoreForTest service;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) {
        ids.push_back(make_key(service));
        make_key(service, "{}",
                 CoreForTest::caller("eve", CoreForTest::kEverything, kForeignAccount));
    }
    std::sort(ids.begin(), ids.end());
    Answer all = service.ask("ListKeys", "{}").value();
    EXPECT_EQ(names_of(all, "Keys", "KeyId"), ids);
    EXPECT_EQ(text_of(all.at("Keys").as_array()[0].as_object(), "KeyArn"),
              "arn:aws:kms:eu-central-1:111122223333:key/" + ids[0]);
    EXPECT_EQ(all.at("Truncated"), false);
    EXPECT_FALSE(all.contains("NextMarker"));
    std::vector<std::string> seen;
    std::string input = R"({"Limit":2})";
    for (const std::size_t size : {2U, 2U, 1U}) {
        const Answer page = service.ask("ListKeys", input).value();
        const std::vector<std::string> names = names_of(page, "Keys", "KeyId");
        ASSERT_THAT(names, SizeIs(size));
        seen.insert(seen.end(), names.begin(), names.end());
        ASSERT_EQ(page.at("Truncated"), size == 2);
        if (size == 2) {
            input = R"({"Limit":2,"Marker":")" + text_of(page, "NextMarker") + "\"}";
        }
    }
    EXPECT_EQ(seen, ids);
    EXPECT_THAT(
        names_of(*service.ask("ListKeys", "{}",
                              CoreForTest::caller("x", CoreForTest::kEverything, "000000000000")),
                 "Keys", "KeyId"),
        IsEmpty());
    for (const char* bad : {R"({"Limit":0})", R"({"Limit":1001})", R"({"Marker":""})"}) {
        expect_error(service.ask("ListKeys", bad), KmsErrc::validation);
    }
    EXPECT_TRUE(service.ask("ListKeys", R"({"Limit":1000})").ok());
    expect_error(service.ask("ListKeys", R"({"Marker":"*"})"), KmsErrc::invalid_marker);
    expect_error(service.ask("ListKeys", "{}", CoreForTest::caller("bob", "")),
                 KmsErrc::access_denied);
}

TEST(Keys, AMarkerReachesNoFurtherThanTheAccount) {
    CoreForTest service;
    make_key(service, "{}", CoreForTest::caller("eve", CoreForTest::kEverything, kForeignAccount));
    // "zzzz" and "~" lie behind all ids, "" and "-" before.
    for (const char* marker : {"enp6eg==", "fg==", "LQ=="}) {
        const auto listed = service.ask("ListKeys", R"({"Marker":")" + std::string(marker) + "\"}");
        ASSERT_TRUE(listed.ok()) << message_of(listed);
        EXPECT_THAT(names_of(*listed, "Keys", "KeyId"), IsEmpty());
    }
}

TEST(Keys, OfManyWhoChangeOneAtOnceNobodyIsLost) {
    CoreForTest service;
    const std::string id = make_key(service);
    constexpr int kThreads = 8;
    constexpr int kEach = 6;
    std::vector<std::thread> threads;
    std::array<std::vector<std::string>, kThreads> failures;
    for (int thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
            for (int i = 0; i < kEach; ++i) {
                const std::string name = std::to_string(thread) + "-" + std::to_string(i);
                const auto done = service.ask(
                    "TagResource",
                    with_key(id, R"("Tags":[{"TagKey":")" + name + R"(","TagValue":""}])"));
                if (!done) {
                    failures.at(static_cast<std::size_t>(thread)).push_back(message_of(done));
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    for (const auto& of_thread : failures) {
        EXPECT_THAT(of_thread, IsEmpty());
    }
    EXPECT_THAT(service.repository().key(id)->tags, SizeIs(kThreads * kEach));
}

TEST(Keys, WhatIsTriedAgainIsNotedOnce) {
    CoreForTest service;
    const std::string id = make_key(service);
    Call call = service.call("DisableKey", with_key(id));
    int tries = 0;
    const auto answer = retried(service.core(), call, [&](Core&, Call& asked) -> Result<Answer> {
        asked.notes.keys.push_back(id);
        if (++tries < kTries) {
            return Error(StoreErrc::conflict, "");
        }
        return asked.answer();
    });
    EXPECT_TRUE(answer.ok());
    EXPECT_EQ(tries, kTries);
    EXPECT_THAT(call.notes.keys, ElementsAre(id));
    // One more is one too many.
    tries = 0;
    const auto failed = retried(service.core(), call, [&](Core&, Call&) -> Result<Answer> {
        ++tries;
        return Error(StoreErrc::conflict, "");
    });
    EXPECT_TRUE(failed.error().is(StoreErrc::conflict));
    EXPECT_EQ(tries, kTries);
}

}  // namespace
}  // namespace casemate::kms
