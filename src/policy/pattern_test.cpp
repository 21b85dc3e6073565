#include "policy/pattern.hpp"

#include <gtest/gtest.h>

#include "policy/error.hpp"

namespace casemate::policy {
namespace {

constexpr Syntax kGlob{.wildcards = true, .variables = false, .ignore_case = false};
constexpr Syntax kFull{.wildcards = true, .variables = true, .ignore_case = false};

Context some_context() {
    Context context;
    context.set("aws:username", "alice");
    context.set("aws:PrincipalTag/star", "a*");
    context.set("aws:PrincipalArn", "arn:aws:iam::111122223333:user/alice");
    context.set_all("aws:TagKeys", {"one", "two"});
    context.set_all("aws:empty", {});
    return context;
}

Match match(std::string_view pattern, std::string_view value, Syntax syntax) {
    const auto parsed = Pattern::parse(pattern, syntax);
    EXPECT_TRUE(parsed.ok()) << pattern;
    return parsed ? parsed->matches(value, some_context()) : Match::unknown;
}

struct PatternRow {
    std::string_view pattern;
    std::string_view value;
    Match expected;
};

class GlobTest : public testing::TestWithParam<PatternRow> {};

TEST_P(GlobTest, MatchesAsIam) {
    EXPECT_EQ(match(GetParam().pattern, GetParam().value, kGlob), GetParam().expected)
        << GetParam().pattern << " against " << GetParam().value;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, GlobTest,
    testing::Values(
        PatternRow{"", "", Match::yes}, PatternRow{"", "a", Match::no},
        PatternRow{"a", "", Match::no}, PatternRow{"*", "", Match::yes},
        PatternRow{"*", "anything: at/all", Match::yes}, PatternRow{"?", "", Match::no},
        PatternRow{"?", "a", Match::yes}, PatternRow{"?", "ab", Match::no},
        PatternRow{"?", "é", Match::yes}, PatternRow{"??", "é", Match::no},
        PatternRow{"*??", "é", Match::no}, PatternRow{"*?", "é", Match::yes},
        PatternRow{"?*", "日本", Match::yes}, PatternRow{"???", "日本", Match::no},
        PatternRow{"a*c", "abc", Match::yes}, PatternRow{"a*c", "ac", Match::yes},
        PatternRow{"a*c", "acb", Match::no}, PatternRow{"a*b*c", "aXbYbZc", Match::yes},
        PatternRow{"*abc", "ababc", Match::yes}, PatternRow{"*ab?", "abababx", Match::yes},
        PatternRow{"**a**", "bab", Match::yes}, PatternRow{"a?c*", "abcd", Match::yes},
        PatternRow{"a", "A", Match::no}, PatternRow{"kms:De*", "kms:Decrypt", Match::yes},
        PatternRow{"kms:De*", "kms:Encrypt", Match::no},
        PatternRow{"arn:aws:kms:*:key/*", "arn:aws:kms:eu-west-1:111122223333:key/1", Match::yes},
        PatternRow{"${aws:username}", "${aws:username}", Match::yes},
        PatternRow{"${aws:username}", "alice", Match::no}));

TEST(Pattern, WithoutWildcardsTakesThemAsThemselves) {
    EXPECT_EQ(match("a*", "a*", {}), Match::yes);
    EXPECT_EQ(match("a*", "ab", {}), Match::no);
    EXPECT_EQ(match("a?", "ab", {}), Match::no);
}

TEST(Pattern, IgnoresCaseWhereAsked) {
    const Syntax syntax{.wildcards = true, .variables = true, .ignore_case = true};
    EXPECT_EQ(match("KMS:dec*", "kms:DECRYPT", syntax), Match::yes);
    EXPECT_EQ(match("${aws:username}", "ALICE", syntax), Match::yes);
    EXPECT_EQ(match("${none, 'BOB'}", "bob", syntax), Match::yes);
}

class VariableTest : public testing::TestWithParam<PatternRow> {};

TEST_P(VariableTest, IsFilledIn) {
    EXPECT_EQ(match(GetParam().pattern, GetParam().value, kFull), GetParam().expected)
        << GetParam().pattern << " against " << GetParam().value;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, VariableTest,
    testing::Values(PatternRow{"home/${aws:username}/*", "home/alice/x", Match::yes},
                    PatternRow{"home/${AWS:UserName}/*", "home/alice/x", Match::yes},
                    PatternRow{"home/${ aws:username }/*", "home/alice/x", Match::yes},
                    PatternRow{"home/${aws:username}/*", "home/bob/x", Match::no},
                    PatternRow{"${aws:username}${aws:username}", "alicealice", Match::yes},
                    // What the caller brings is no wildcard.
                    PatternRow{"${aws:PrincipalTag/star}", "a*", Match::yes},
                    PatternRow{"${aws:PrincipalTag/star}", "ab", Match::no},
                    PatternRow{"${aws:absent}", "", Match::unknown},
                    PatternRow{"*${aws:absent}*", "x", Match::unknown},
                    PatternRow{"${aws:empty}", "", Match::unknown},
                    PatternRow{"${aws:TagKeys}", "one", Match::unknown},
                    PatternRow{"${aws:TagKeys, 'one'}", "one", Match::unknown},
                    PatternRow{"${aws:absent, 'anonymous'}", "anonymous", Match::yes},
                    PatternRow{"${aws:absent,'anonymous'}", "anonymous", Match::yes},
                    PatternRow{"${aws:absent, ''}", "", Match::yes},
                    PatternRow{"${aws:absent, '}*'}", "}*", Match::yes},
                    PatternRow{"${aws:absent, '*'}", "x", Match::no},
                    PatternRow{"${aws:username, 'anonymous'}", "alice", Match::yes},
                    PatternRow{"${aws:username, 'anonymous'}", "anonymous", Match::no},
                    PatternRow{"${*}", "*", Match::yes}, PatternRow{"${*}", "x", Match::no},
                    PatternRow{"${?}", "?", Match::yes}, PatternRow{"${?}", "x", Match::no},
                    PatternRow{"${$}{aws:username}", "${aws:username}", Match::yes},
                    PatternRow{"a$b", "a$b", Match::yes}, PatternRow{"$", "$", Match::yes},
                    PatternRow{"{}", "{}", Match::yes}));

TEST(Pattern, EscapesAreOfVariablesOnly) {
    const Syntax exact{.wildcards = false, .variables = true, .ignore_case = false};
    EXPECT_EQ(match("${*}", "*", exact), Match::yes);
    EXPECT_EQ(match("${*}", "${*}", exact), Match::no);
    EXPECT_EQ(match("${*}", "${*}", {}), Match::yes);
}

class BadVariableTest : public testing::TestWithParam<std::string_view> {};

TEST_P(BadVariableTest, IsRefused) {
    const auto parsed = Pattern::parse(GetParam(), kFull);
    ASSERT_FALSE(parsed.ok()) << GetParam();
    EXPECT_TRUE(parsed.error().is(PolicyErrc::malformed));
    EXPECT_TRUE(Pattern::parse(GetParam(), kGlob).ok());
}

INSTANTIATE_TEST_SUITE_P(Patterns, BadVariableTest,
                         testing::Values("${", "${aws:username", "${}", "${ }", "a${aws:x}${",
                                         "${aws:user name}", "${${aws:x}}", "${aws:*}",
                                         "${aws:x, }", "${aws:x, default}", "${aws:x, 'default}",
                                         "${aws:x, 'default'", "${aws:x, 'default' x}",
                                         "${, 'default'}", "${aws:x, 'a''b'}"));

class ArnTest : public testing::TestWithParam<PatternRow> {};

TEST_P(ArnTest, MatchesPartByPart) {
    const auto parsed = Pattern::parse(GetParam().pattern, kFull);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->matches_arn(GetParam().value, some_context()), GetParam().expected)
        << GetParam().pattern << " against " << GetParam().value;
}

INSTANTIATE_TEST_SUITE_P(
    Patterns, ArnTest,
    testing::Values(
        PatternRow{"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/alice",
                   Match::yes},
        PatternRow{"arn:aws:iam::*:user/*", "arn:aws:iam::111122223333:user/alice", Match::yes},
        PatternRow{"arn:*:*:*:*:*", "arn:aws:logs:r:1:log-group:x:*", Match::yes},
        // The guide's example: a wildcard stays in its part.
        PatternRow{
            "arn:aws:someservice:*:111122223333:finance/*",
            "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/d.txt",
            Match::no},
        PatternRow{"*", "arn:aws:iam::111122223333:user/alice", Match::yes},
        PatternRow{"*", "no arn", Match::no}, PatternRow{"*", "arn:aws:iam", Match::no},
        PatternRow{"arn:*:*:*:*:*", "no arn", Match::no},
        PatternRow{"${aws:PrincipalArn}", "arn:aws:iam::111122223333:user/alice", Match::yes},
        PatternRow{"${aws:PrincipalArn}", "arn:aws:iam::111122223333:user/bob", Match::no},
        PatternRow{"${aws:username}", "arn:aws:iam::111122223333:user/alice", Match::unknown},
        PatternRow{"${aws:absent}", "arn:aws:iam::111122223333:user/alice", Match::unknown},
        PatternRow{"arn:aws:iam::111122223333:user/${aws:username}",
                   "arn:aws:iam::111122223333:user/alice", Match::yes},
        PatternRow{"arn:aws:iam::111122223333:user/?lice", "arn:aws:iam::111122223333:user/Alice",
                   Match::yes},
        PatternRow{"arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/Alice",
                   Match::no}));

// Trying every way to share the text among the wildcards would not end in this world's time.
TEST(Pattern, ManyWildcardsTakeNoExponentialTime) {
    std::string pattern;
    for (int i = 0; i < 2000; ++i) {
        pattern += "*a";
    }
    pattern += "*b";
    const std::string value(8000, 'a');
    EXPECT_EQ(match(pattern, value, kGlob), Match::no);
    EXPECT_EQ(match(pattern, value + "b", kGlob), Match::yes);
    EXPECT_EQ(match(std::string(16000, '*') + "b", value, kGlob), Match::no);
    EXPECT_EQ(match("*" + std::string(4000, '?') + "b", value, kGlob), Match::no);
}

}  // namespace
}  // namespace casemate::policy
