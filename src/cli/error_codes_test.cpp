#include "cli/error_codes.hpp"

#include <gtest/gtest.h>

#include <set>

namespace casemate::cli {
namespace {

TEST(ErrorCodesTest, EachHasALabelTextAndStatus) {
    for (unsigned i = 0; i <= 60; ++i) {
        const auto code = static_cast<ErrorCode>(i);
        EXPECT_FALSE(text_of(code).name.empty()) << i;
        EXPECT_TRUE(text_of(code).help.ends_with('.')) << i;
        EXPECT_EQ(code_of(label(code)), code);
        EXPECT_EQ(exit_status(code), i == 0 ? 1 : static_cast<int>(i));
    }
    EXPECT_EQ(label(ErrorCode::socket_timeout), "E10");
    EXPECT_EQ(label(ErrorCode::invalid_argument), "E03");
    EXPECT_EQ(text_of(ErrorCode::eif_parsing).name, "EIF file parsing failure");
    EXPECT_EQ(text_of(ErrorCode::signing).name, "Signing failure");
}

// `explain` has something to say on each code, and on no two the same.
TEST(ErrorCodesTest, EachHasAnExplanationOfItsOwn) {
    std::set<std::string_view> names;
    std::set<std::string_view> texts;
    for (unsigned i = 0; i <= 60; ++i) {
        const ErrorText& text = text_of(static_cast<ErrorCode>(i));
        EXPECT_GE(text.help.size(), 90U) << i;
        names.insert(text.name);
        texts.insert(text.help);
    }
    EXPECT_EQ(names.size(), 61U);
    EXPECT_EQ(texts.size(), 61U);
}

TEST(ErrorCodesTest, NoOtherLabels) {
    EXPECT_EQ(code_of("e26"), ErrorCode::insufficient_memory_requested);
    for (const char* label : {"", "E", "E1", "E61", "E99", "F01", "E001", "Ex1", "E-1"}) {
        EXPECT_FALSE(code_of(label).has_value()) << label;
    }
}

}  // namespace
}  // namespace casemate::cli
