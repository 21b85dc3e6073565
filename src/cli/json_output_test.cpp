#include "cli/json_output.hpp"

#include "cli/json_table.hpp"

#include <gtest/gtest.h>

namespace casemate::cli {
namespace {

TEST(JsonOutputTest, NitroCliLayout) {
    Json json = Json::object();
    json.add("EnclaveName", "hello").add("NumberOfCPUs", 2U).add("Debug", true);
    json.add("CPUIDs", std::move(Json::array().append(Json(1)).append(Json(3))));
    json.add("Empty", Json::object()).add("None", Json()).add("List", Json::array());
    EXPECT_EQ(json.pretty(),
              "{\n  \"EnclaveName\": \"hello\",\n  \"NumberOfCPUs\": 2,\n  \"Debug\": true,\n"
              "  \"CPUIDs\": [\n    1,\n    3\n  ],\n  \"Empty\": {},\n  \"None\": null,\n"
              "  \"List\": []\n}");
    EXPECT_EQ(json.compact(),
              R"({"EnclaveName":"hello","NumberOfCPUs":2,"Debug":true,"CPUIDs":[1,3],)"
              R"("Empty":{},"None":null,"List":[]})");
    EXPECT_EQ(Json::array().pretty(), "[]");
}

TEST(JsonOutputTest, Escapes) {
    EXPECT_EQ(Json("a\"b\\c\n\x01\xc3\xa9").compact(), "\"a\\\"b\\\\c\\n\\u0001\xc3\xa9\"");
}

TEST(JsonOutputTest, AddReplaces) {
    Json json = Json::object();
    json.add("a", 1).add("b", 2).add("a", 3);
    EXPECT_EQ(json.compact(), R"({"a":3,"b":2})");
    ASSERT_NE(json.find("b"), nullptr);
    EXPECT_EQ(json.find("c"), nullptr);
}

TEST(JsonOutputTest, ParseKeepsOrderAndNumbers) {
    const std::string text = R"({"z":[1,-2,18446744073709551615,null],"a":{"x":"y","t":true}})";
    const auto json = Json::parse(text);
    ASSERT_TRUE(json.ok());
    EXPECT_EQ(json->compact(), text);
    EXPECT_FALSE(Json::parse("{").ok());
    EXPECT_FALSE(Json::parse("").ok());
}

// A file that somebody wrote: where its first mistake is.
TEST(JsonOutputTest, MistakesHaveAPlace) {
    struct Mistake {
        const char* text;
        const char* place;
    };
    for (const auto& [text, place] :
         {Mistake{"", "line 1, column 1"}, Mistake{"{nonsense", "line 1, column 2"},
          Mistake{"{\"a\": 1,\n \"b\" 2}\n", "line 2, column 6"},
          Mistake{"{\"\xc3\xa4\": 1,}", "line 1, column 9"},
          Mistake{"[1]\n\nx", "line 3, column 1"},
          Mistake{"{\n\"a\": [1, 2\n", "line 3, column 1"}}) {
        const auto json = Json::parse(text);
        ASSERT_FALSE(json.ok()) << text;
        EXPECT_TRUE(json.error().message().ends_with(std::string(", at ") + place))
            << text << ": " << json.error().message();
    }
}

TEST(JsonTableTest, ALineForEachValue) {
    const auto json =
        Json::parse(R"({"A": 4, "Long": {"B": "text", "C": {"D": true}}, "E": [1, 2], "F": {}})");
    ASSERT_TRUE(json.ok());
    EXPECT_EQ(json_table(*json),
              "A         4\nLong.B    text\nLong.C.D  true\nE         [1,2]\nF         {}\n");
}

// An image's metadata says what its maker wants: it must not reach the terminal as commands.
TEST(JsonTableTest, TextCannotSteerATerminal) {
    Json json = Json::object();
    json.add("a\x1b[2J", "b\nc\x1b]0;title\x07");
    json.add("c",
             "\xc2\x9b"
             "31m");
    json.add("d", "\xc3\xa4");
    EXPECT_EQ(json_table(json),
              "a\\x1b[2J  b\\x0ac\\x1b]0;title\\x07\n"
              "c         \\xc2\\x9b31m\n"
              "d         \xc3\xa4\n");
}

}  // namespace
}  // namespace casemate::cli
