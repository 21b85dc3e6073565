#include "kms_client/json.hpp"

#include <gmock/gmock.h>

namespace casemate::kms_client {
namespace {

TEST(ObjectWriter, writes_members) {
    ObjectWriter writer;
    writer.put_text("a", "\"\\\n\x7f\xc3\xa4");
    writer.put_optional_text("left", "");
    writer.put_optional_text("b", "x");
    writer.put_bytes("c", Bytes{0, 1});
    writer.put_number("d", 18446744073709551615U);
    writer.put_texts("left", {});
    const std::vector<std::string> texts{"p", "q\""};
    writer.put_texts("e", texts);
    writer.put_context("left", {});
    writer.put_context("f", {{"n\t", "v"}, {"", ""}});
    EXPECT_EQ(writer.finish().value(),
              "{\"a\":\"\\\"\\\\\\u000a\\u007f\xc3\xa4\",\"b\":\"x\",\"c\":\"AAE=\","
              "\"d\":18446744073709551615,\"e\":[\"p\",\"q\\\"\"],"
              "\"f\":{\"n\\u0009\":\"v\",\"\":\"\"}}");
    EXPECT_EQ(ObjectWriter().finish().value(), "{}");
    ObjectWriter bad;
    bad.put_text("a", "\xff");
    EXPECT_TRUE(bad.finish().error().is(ClientErrc::bad_argument));
}

TEST(WithMember, puts_it_in_front) {
    EXPECT_EQ(with_member("{}", "a", "1").value(), "{\"a\":1}");
    EXPECT_EQ(with_member(" { \n} ", "a", "1").value(), "{\"a\":1}");
    EXPECT_EQ(with_member("{\"b\":{}}\n", "a", "1").value(), "{\"a\":1,\"b\":{}}");
    for (const std::string text : {"", " ", "{", "}", "[]", "{}x", "x{}"}) {
        EXPECT_FALSE(with_member(text, "a", "1").ok()) << text;
    }
}

TEST(Fields, are_texts_of_the_top) {
    const auto fields = Fields::parse(
        R"({"a": "x", "b": "AAE=", "c": 7, "d": null, "e": {"a": "y"}, "f": "", "g": "\u00e4"})");
    ASSERT_TRUE(fields.ok());
    EXPECT_EQ(fields->text("a"), "x");
    EXPECT_EQ(fields->text("g"), "\xc3\xa4");
    EXPECT_EQ(fields->text("c"), std::nullopt);
    EXPECT_EQ(fields->text("h"), std::nullopt);
    EXPECT_EQ(fields->bytes("b").value(), (Bytes{0, 1}));
    EXPECT_TRUE(fields->bytes("a").error().is(ClientErrc::bad_answer));
    EXPECT_TRUE(fields->bytes("h").error().is(ClientErrc::bad_answer));
    for (const std::string name : {"d", "f", "h"}) {
        EXPECT_TRUE(fields->is_void(name)) << name;
    }
    for (const std::string name : {"a", "c", "e"}) {
        EXPECT_FALSE(fields->is_void(name)) << name;
    }
}

}  // namespace
}  // namespace casemate::kms_client
