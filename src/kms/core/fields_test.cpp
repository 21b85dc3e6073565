#include "kms/core/fields.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kms/core/checks.hpp"

namespace casemate::kms {
namespace {

using ::testing::HasSubstr;

class FieldsTest : public ::testing::Test {
protected:
    const json::object input_ =
        parse_object(R"({"Text":"abc","Null":null,"Blob":"AQID","Flag":true,"Count":7,"Real":1.5,)"
                     R"("When":1790000000.25,"List":["a","b"],"Mixed":["a",1],"Map":{"k":"v"},)"
                     R"("Objects":[{"TagKey":"a"}],"Huge":1e30})",
                     cleansing_memory())
            .value();
    const Fields fields_{input_};
};

template <class T>
KmsErrc code_of(const Result<T>& result) {
    return result.error().template code_as<KmsErrc>().value();
}

TEST_F(FieldsTest, WhatIsThereIsRead) {
    EXPECT_EQ(fields_.text("Text").value(), "abc");
    EXPECT_EQ(fields_.blob("Blob", {1, 3}).value(), (Bytes{1, 2, 3}));
    EXPECT_TRUE(fields_.truth("Flag", false).value());
    EXPECT_EQ(fields_.optional_number("Count", {1, 7}).value(), 7);
    EXPECT_EQ(fields_.optional_time("When").value()->time_since_epoch().count(), 1'790'000'000'250);
    EXPECT_EQ(fields_.texts("List").value(), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(fields_.optional_map("Map").value()->at("k"), "v");
    EXPECT_EQ(fields_.objects("Objects").value().at(0).text("TagKey").value(), "a");
}

TEST_F(FieldsTest, NullIsAbsent) {
    EXPECT_FALSE(fields_.has("Null"));
    EXPECT_FALSE(fields_.optional_text("Null").value().has_value());
    EXPECT_FALSE(fields_.truth("Null", false).value());
    const auto missing = fields_.text("KeyId");
    EXPECT_EQ(code_of(missing), KmsErrc::validation);
    EXPECT_EQ(missing.error().detail(),
              "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: "
              "Member must not be null");
}

TEST_F(FieldsTest, AnotherKindIsRefused) {
    EXPECT_EQ(code_of(fields_.text("Count")), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.blob("Text", {1, 9})), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.truth("Text", true)), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.optional_number("Real", {})), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.optional_number("Huge", {})), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.optional_time("Huge")), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.texts("Mixed")), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.optional_map("List")), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.objects("List")), KmsErrc::serialization);
    EXPECT_EQ(code_of(fields_.object("List")), KmsErrc::serialization);
}

TEST_F(FieldsTest, BoundsAreChecked) {
    EXPECT_EQ(code_of(fields_.text("Text", {4, 9})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.text("Text", {1, 2})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.blob("Blob", {4, 9})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.blob("Blob", {0, 2})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.optional_number("Count", {8, 9})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.optional_number("Count", {1, 6})), KmsErrc::validation);
    EXPECT_EQ(code_of(fields_.texts("List", {0, 1})), KmsErrc::validation);
    EXPECT_THAT(fields_.text("Text", {1, 2}).error().detail(),
                HasSubstr("Value 'abc' at 'text' failed to satisfy constraint: Member must have "
                          "length less than or equal to 2"));
}

TEST(ParseObject, RefusesWhatIsNoObject) {
    for (const std::string_view text :
         {"[]", "1", "{", "{}x", "{\"a\":}", "\xff", "{\"a\":\"\xff\"}", "null"}) {
        const auto parsed = parse_object(text, cleansing_memory());
        ASSERT_FALSE(parsed.ok()) << text;
        EXPECT_TRUE(parsed.error().is(KmsErrc::serialization));
    }
    EXPECT_TRUE(parse_object("", cleansing_memory()).value().empty());
    const std::string deep = "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}";
    EXPECT_FALSE(parse_object(deep, cleansing_memory()).ok());
}

TEST(EncryptionContexts, AreBounded) {
    const auto read = [](const std::string& text) {
        const json::object input = parse_object(text, cleansing_memory()).value();
        return read_context(Fields(input)).ok();
    };
    EXPECT_TRUE(read(R"({"EncryptionContext":{"a":""}})"));
    EXPECT_FALSE(read(R"({"EncryptionContext":{"":"a"}})"));
    EXPECT_TRUE(read(R"({"EncryptionContext":{"a":")" + std::string(8191, 'x') + "\"}}"));
    EXPECT_FALSE(read(R"({"EncryptionContext":{"a":")" + std::string(8192, 'x') + "\"}}"));
}

}  // namespace
}  // namespace casemate::kms
