#include "kms/operations/tags.hpp"

#include <gmock/gmock.h>

#include "kms/operations/keys_for_test.hpp"

namespace casemate::kms {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string tags_of(const Tags& tags) {
    json::array list;
    for (const auto& [key, value] : tags) {
        list.push_back(json::object{{"TagKey", key}, {"TagValue", value}});
    }
    return R"("Tags":)" + json::serialize(list);
}

Tags numbered(int count) {
    Tags tags;
    for (int i = 0; i < count; ++i) {
        tags.emplace("t" + std::to_string(100 + i), "v");
    }
    return tags;
}

std::string repeated(std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        out += text;
    }
    return out;
}

class TagsTest : public ::testing::Test {
protected:
    TagsTest() : id_(make_key(service_)) {}

    Result<Answer> put(const Tags& tags) {
        return service_.ask("TagResource", with_key(id_, tags_of(tags)));
    }
    Tags stored() { return service_.repository().key(id_)->tags; }

    CoreForTest service_;
    std::string id_;
};

TEST_F(TagsTest, AreAddedChangedAndRemoved) {
    ASSERT_TRUE(put({{"team", "blue"}, {"Größe", ""}}).value().empty());
    ASSERT_TRUE(put({{"team", "red"}, {"Team", "x"}}).ok());
    EXPECT_EQ(stored(), (Tags{{"team", "red"}, {"Team", "x"}, {"Größe", ""}}));
    ASSERT_TRUE(service_.ask("UntagResource", with_key(id_, R"("TagKeys":["Team","none"])"))
                    .value()
                    .empty());
    EXPECT_EQ(stored(), (Tags{{"team", "red"}, {"Größe", ""}}));
    EXPECT_EQ(service_.ask("ListResourceTags", with_key(id_)).value(),
              (json::object{{"Tags",
                             {{{"TagKey", "Größe"}, {"TagValue", ""}},
                              {{"TagKey", "team"}, {"TagValue", "red"}}}},
                            {"Truncated", false}}));
    // What changes nothing writes nothing.
    const std::uint64_t version = service_.repository().key(id_)->version;
    ASSERT_TRUE(put({{"team", "red"}}).ok());
    ASSERT_TRUE(service_.ask("UntagResource", with_key(id_, R"("TagKeys":["none"])")).ok());
    EXPECT_EQ(service_.repository().key(id_)->version, version);
}

TEST_F(TagsTest, AreGivenWithANewKey) {
    id_ = make_key(service_, "{" + tags_of({{"a", "1"}, {"b", ""}}) + "}");
    EXPECT_EQ(stored(), (Tags{{"a", "1"}, {"b", ""}}));
    id_ = make_key(service_, R"({"Tags":[]})");
    EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(TagsTest, BoundsAreOfCharacters) {
    const Tags longest{{repeated("é", 128), repeated("日", 256)}};
    EXPECT_TRUE(put(longest).ok());
    EXPECT_EQ(stored(), longest);
    const std::string key = std::string(129, 'k');
    EXPECT_EQ(message_of(put({{key, ""}})),
              "ValidationException: 1 validation error detected: Value '" + key +
                  "' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have "
                  "length less than or equal to 128");
    const std::string value = std::string(257, 'v');
    EXPECT_EQ(message_of(put({{"a", "b"}, {"c", value}})),
              "ValidationException: 1 validation error detected: Value '" + value.substr(0, 256) +
                  "...' at 'tags.2.member.tagValue' failed to satisfy constraint: Member must have "
                  "length less than or equal to 256");
    EXPECT_EQ(message_of(put({{"", ""}})),
              "ValidationException: 1 validation error detected: Value '' at "
              "'tags.1.member.tagKey' failed to satisfy constraint: Member must have length "
              "greater than or equal to 1");
    EXPECT_EQ(stored(), longest);
}

TEST_F(TagsTest, WhatIsNotWellIsRefused) {
    struct Refused {
        std::string members;
        std::string message;
    };
    const std::string null_at = "ValidationException: 1 validation error detected: Value null at '";
    const std::string not_null = "' failed to satisfy constraint: Member must not be null";
    const std::vector<Refused> cases = {
        {"", null_at + "tags" + not_null},
        {R"("Tags":[{"TagValue":"b"}])", null_at + "tags.1.member.tagKey" + not_null},
        {R"("Tags":[{"TagKey":"a"}])", null_at + "tags.1.member.tagValue" + not_null},
        {R"("Tags":[{"TagKey":"a","TagValue":"1"},{"TagKey":"a","TagValue":"1"}])",
         "TagException: Duplicate tag keys"},
        {tags_of({{"aws:x", ""}}), "TagException: Tags beginning with aws: are reserved"},
        {tags_of({{"Aws:x", ""}}), "TagException: Tags beginning with aws: are reserved"},
        {tags_of(numbered(51)), "TagException: Too many tags"},
    };
    for (const Refused& one : cases) {
        EXPECT_EQ(message_of(service_.ask("TagResource", with_key(id_, one.members))), one.message);
    }
    for (const char* members :
         {R"("Tags":"a")", R"("Tags":[1])", R"("Tags":[{"TagKey":1,"TagValue":""}])"}) {
        expect_error(service_.ask("TagResource", with_key(id_, members)), KmsErrc::serialization);
    }
    EXPECT_EQ(message_of(service_.ask("UntagResource", with_key(id_))),
              null_at + "tagKeys" + not_null);
    expect_error(service_.ask("UntagResource", with_key(id_, R"("TagKeys":[""])")),
                 KmsErrc::validation);
    expect_error(service_.ask("UntagResource",
                              with_key(id_, R"("TagKeys":[")" + std::string(129, 'k') + "\"]")),
                 KmsErrc::validation);
    expect_error(service_.ask("UntagResource", with_key(id_, R"("TagKeys":"a")")),
                 KmsErrc::serialization);
    EXPECT_THAT(stored(), IsEmpty());
}

TEST_F(TagsTest, AKeyHasFiftyAtMost) {
    ASSERT_TRUE(put(numbered(50)).ok());
    EXPECT_EQ(message_of(put({{"one", "more"}})), "TagException: Too many tags");
    EXPECT_THAT(stored(), SizeIs(kMostTags));
    // Those that it has may change.
    EXPECT_TRUE(put({{"t100", "new"}}).ok());
    ASSERT_TRUE(service_.ask("UntagResource", with_key(id_, R"("TagKeys":["t149"])")).ok());
    EXPECT_TRUE(put({{"one", "more"}}).ok());
}

TEST_F(TagsTest, AreListedByPages) {
    ASSERT_TRUE(put(numbered(5)).ok());
    std::vector<std::string> seen;
    std::string more = R"("Limit":2)";
    for (const std::size_t size : {2U, 2U, 1U}) {
        const Answer page = service_.ask("ListResourceTags", with_key(id_, more)).value();
        const std::vector<std::string> names = names_of(page, "Tags", "TagKey");
        ASSERT_THAT(names, SizeIs(size));
        seen.insert(seen.end(), names.begin(), names.end());
        ASSERT_EQ(page.at("Truncated"), size == 2);
        if (size == 2) {
            more = R"("Limit":2,"Marker":")" + text_of(page, "NextMarker") + '"';
        }
    }
    EXPECT_THAT(seen, ElementsAre("t100", "t101", "t102", "t103", "t104"));
    // A page that is just full is the last.
    EXPECT_EQ(service_.ask("ListResourceTags", with_key(id_, R"("Limit":5)"))->at("Truncated"),
              false);
    for (const char* limit : {R"("Limit":0)", R"("Limit":51)"}) {
        expect_error(service_.ask("ListResourceTags", with_key(id_, limit)), KmsErrc::validation);
    }
    expect_error(service_.ask("ListResourceTags", with_key(id_, R"("Marker":"?")")),
                 KmsErrc::invalid_marker);
}

TEST_F(TagsTest, TheCallersOwnPolicySeesThem) {
    ASSERT_TRUE(put({{"team", "blue"}}).ok());
    const auto ask = [&](std::string_view operation, std::string_view condition,
                         std::string_view members) {
        const Caller who = CoreForTest::caller(
            "bob", R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*",)"
                   R"("Resource":"*","Condition":)" +
                       std::string(condition) + "}]}");
        const auto answer = service_.ask(operation, with_key(id_, members), who);
        EXPECT_TRUE(answer.ok() || answer.error().is(KmsErrc::access_denied)) << message_of(answer);
        return answer.ok();
    };
    const char* request = R"({"StringEquals":{"aws:RequestTag/stage":"test"}})";
    EXPECT_TRUE(ask("TagResource", request, tags_of({{"stage", "test"}})));
    EXPECT_FALSE(ask("TagResource", request, tags_of({{"stage", "production"}})));
    EXPECT_FALSE(ask("TagResource", request, tags_of({{"team", "red"}})));
    const char* keys = R"({"ForAllValues:StringEquals":{"aws:TagKeys":["stage"]}})";
    EXPECT_TRUE(ask("TagResource", keys, tags_of({{"stage", "x"}})));
    EXPECT_FALSE(ask("TagResource", keys, tags_of({{"stage", "x"}, {"team", "red"}})));
    EXPECT_TRUE(ask("UntagResource", keys, R"("TagKeys":["stage"])"));
    EXPECT_FALSE(ask("UntagResource", keys, R"("TagKeys":["stage","team"])"));
    const char* resource = R"({"StringEquals":{"aws:ResourceTag/team":"blue"}})";
    EXPECT_TRUE(ask("ListResourceTags", resource, ""));
    EXPECT_FALSE(ask("ListResourceTags", R"({"StringEquals":{"aws:ResourceTag/team":"red"}})", ""));
}

}  // namespace
}  // namespace casemate::kms
