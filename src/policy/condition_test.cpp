#include "policy/condition.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "policy/error.hpp"

namespace casemate::policy {
namespace {

using List = std::vector<std::string>;
using testing::HasSubstr;

constexpr std::string_view kKey = "kms:Some/Key";

// absent says that the request has no such key.
const std::optional<List> absent;

std::optional<List> have(List values) {
    return values;
}

Context context_of(const std::optional<List>& values) {
    Context context;
    context.set("aws:username", "alice");
    if (values) {
        context.set_all(kKey, *values);
    }
    return context;
}

struct Row {
    std::string name;
    List wanted;
    std::optional<List> got;
    bool in_allow;
    // Where it differs from in_allow: what can't be compared.
    std::optional<bool> in_deny = std::nullopt;
};

void PrintTo(const Row& row, std::ostream* out) {
    *out << row.name << " wanted";
    for (const std::string& value : row.wanted) {
        *out << " [" << value << "]";
    }
    *out << " got";
    for (const std::string& value : row.got.value_or(List{"(absent)"})) {
        *out << " [" << value << "]";
    }
}

class ConditionTest : public testing::TestWithParam<Row> {};

TEST_P(ConditionTest, HoldsOrNot) {
    const Row& row = GetParam();
    const auto condition = Condition::parse(row.name, "KMS:some/key", row.wanted, true);
    ASSERT_TRUE(condition.ok()) << condition.error().message();
    const Context context = context_of(row.got);
    EXPECT_EQ(condition->holds(context, Effect::allow), row.in_allow);
    EXPECT_EQ(condition->holds(context, Effect::deny), row.in_deny.value_or(row.in_allow));
}

INSTANTIATE_TEST_SUITE_P(
    Strings, ConditionTest,
    testing::Values(
        Row{"StringEquals", {"a"}, have({"a"}), true},
        Row{"StringEquals", {"a"}, have({"A"}), false},
        Row{"StringEquals", {"a"}, have({""}), false}, Row{"StringEquals", {""}, have({""}), true},
        Row{"StringEquals", {"a", "b"}, have({"b"}), true},
        Row{"StringEquals", {"a*"}, have({"ab"}), false},
        Row{"StringEquals", {"a*"}, have({"a*"}), true}, Row{"StringEquals", {"a"}, absent, false},
        Row{"StringEquals", {"a"}, have({}), false},
        Row{"StringEquals", {"${aws:username}"}, have({"alice"}), true},
        Row{"StringEquals", {"${aws:username}"}, have({"bob"}), false},
        Row{"StringEquals", {"${aws:absent}"}, have({"a"}), false},
        Row{"StringEquals", {"${aws:absent}", "a"}, have({"a"}), true},
        Row{"StringEqualsIfExists", {"a"}, have({"a"}), true},
        Row{"StringEqualsIfExists", {"a"}, have({"b"}), false},
        Row{"StringEqualsIfExists", {"a"}, absent, true},
        Row{"StringEqualsIfExists", {"${aws:absent}"}, absent, true},
        Row{"StringNotEquals", {"a"}, have({"a"}), false},
        Row{"StringNotEquals", {"a"}, have({"b"}), true},
        Row{"StringNotEquals", {"a", "b"}, have({"b"}), false},
        Row{"StringNotEquals", {"a", "b"}, have({"c"}), true},
        Row{"StringNotEquals", {"a"}, absent, true},
        // What can't be compared opens nothing, and closes.
        Row{"StringNotEquals", {"${aws:absent}"}, have({"a"}), false, true},
        Row{"StringNotEquals", {"${aws:absent}", "a"}, have({"a"}), false, false},
        Row{"StringNotEqualsIfExists", {"a"}, have({"a"}), false},
        Row{"StringNotEqualsIfExists", {"a"}, have({"b"}), true},
        Row{"StringNotEqualsIfExists", {"a"}, absent, true},
        Row{"StringEqualsIgnoreCase", {"AbC"}, have({"aBc"}), true},
        Row{"StringEqualsIgnoreCase", {"AbC"}, have({"aBcd"}), false},
        Row{"StringEqualsIgnoreCase", {"a"}, absent, false},
        Row{"StringEqualsIgnoreCaseIfExists", {"a"}, absent, true},
        Row{"StringNotEqualsIgnoreCase", {"AbC"}, have({"aBc"}), false},
        Row{"StringNotEqualsIgnoreCase", {"AbC"}, have({"x"}), true},
        Row{"StringNotEqualsIgnoreCase", {"a"}, absent, true},
        Row{"StringNotEqualsIgnoreCaseIfExists", {"a"}, absent, true},
        Row{"StringLike", {"a*"}, have({"abc"}), true},
        Row{"StringLike", {"a?"}, have({"abc"}), false},
        Row{"StringLike", {"a?", "*c"}, have({"abc"}), true},
        Row{"StringLike", {"A*"}, have({"abc"}), false}, Row{"StringLike", {"*"}, have({""}), true},
        Row{"StringLike", {"*"}, absent, false}, Row{"StringLikeIfExists", {"a*"}, absent, true},
        Row{"StringLike", {"${aws:username}*"}, have({"alice2"}), true},
        Row{"StringLike", {"${*}"}, have({"x"}), false},
        Row{"StringLike", {"${*}"}, have({"*"}), true},
        Row{"StringNotLike", {"a*"}, have({"abc"}), false},
        Row{"StringNotLike", {"a*"}, have({"bc"}), true},
        Row{"StringNotLike", {"a*", "b*"}, have({"bc"}), false},
        Row{"StringNotLike", {"a*"}, absent, true},
        Row{"StringNotLikeIfExists", {"a*"}, absent, true}));

constexpr const char* kArn = "arn:aws:kms:eu-west-1:111122223333:key/1";

INSTANTIATE_TEST_SUITE_P(
    Arns, ConditionTest,
    testing::Values(Row{"ArnEquals", {kArn}, have({kArn}), true},
                    Row{"ArnEquals", {"arn:aws:kms:*:111122223333:key/*"}, have({kArn}), true},
                    Row{"ArnLike", {"arn:aws:kms:*:111122223333:key/*"}, have({kArn}), true},
                    Row{"ArnLike", {"arn:aws:kms:*:444455556666:key/*"}, have({kArn}), false},
                    Row{"ArnLike", {"*"}, have({kArn}), true},
                    Row{"ArnLike", {"*"}, have({"x"}), false},
                    Row{"ArnLike", {kArn}, absent, false}, Row{"ArnEquals", {kArn}, absent, false},
                    Row{"ArnLikeIfExists", {kArn}, absent, true},
                    Row{"ArnEqualsIfExists", {kArn}, absent, true},
                    Row{"ArnNotEquals", {kArn}, have({kArn}), false},
                    Row{"ArnNotEquals", {"arn:aws:kms:*:*:key/2"}, have({kArn}), true},
                    Row{"ArnNotLike", {"arn:aws:kms:*:*:key/*"}, have({kArn}), false},
                    Row{"ArnNotLike", {"arn:aws:kms:*:*:key/2"}, have({kArn}), true},
                    Row{"ArnNotLike", {kArn}, absent, true},
                    Row{"ArnNotEquals", {kArn}, absent, true},
                    Row{"ArnNotLikeIfExists", {kArn}, absent, true},
                    Row{"ArnNotLike", {"${aws:username}"}, have({kArn}), false, true},
                    Row{"ArnLike", {"${aws:username}"}, have({kArn}), false}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, ConditionTest,
    testing::Values(Row{"NumericEquals", {"10"}, have({"10"}), true},
                    Row{"NumericEquals", {"10"}, have({"10.0"}), true},
                    Row{"NumericEquals", {"10"}, have({"11"}), false},
                    Row{"NumericEquals", {"10", "11"}, have({"11"}), true},
                    Row{"NumericEquals", {"10"}, absent, false},
                    Row{"NumericEqualsIfExists", {"10"}, absent, true},
                    Row{"NumericEquals", {"10"}, have({"ten"}), false},
                    Row{"NumericNotEquals", {"10"}, have({"10"}), false},
                    Row{"NumericNotEquals", {"10"}, have({"11"}), true},
                    Row{"NumericNotEquals", {"10"}, absent, true},
                    Row{"NumericNotEquals", {"10"}, have({"ten"}), false, true},
                    Row{"NumericLessThan", {"10"}, have({"9.5"}), true},
                    Row{"NumericLessThan", {"10"}, have({"10"}), false},
                    Row{"NumericLessThan", {"10"}, absent, false},
                    Row{"NumericLessThanIfExists", {"10"}, absent, true},
                    Row{"NumericLessThanEquals", {"10"}, have({"10"}), true},
                    Row{"NumericLessThanEquals", {"10"}, have({"10.5"}), false},
                    Row{"NumericLessThanEquals", {"10"}, absent, false},
                    Row{"NumericGreaterThan", {"10"}, have({"10"}), false},
                    Row{"NumericGreaterThan", {"10"}, have({"11"}), true},
                    Row{"NumericGreaterThan", {"10"}, have({"-11"}), false},
                    Row{"NumericGreaterThan", {"10"}, absent, false},
                    Row{"NumericGreaterThanEquals", {"10"}, have({"10"}), true},
                    Row{"NumericGreaterThanEquals", {"10"}, have({"9"}), false},
                    Row{"NumericGreaterThanEquals", {"10"}, absent, false},
                    Row{"NumericGreaterThanEqualsIfExists", {"10"}, absent, true}));

INSTANTIATE_TEST_SUITE_P(
    Dates, ConditionTest,
    testing::Values(
        Row{"DateEquals", {"2020-01-01T00:00:00Z"}, have({"1577836800"}), true},
        Row{"DateEquals", {"1577836800"}, have({"2020-01-01T00:00:00Z"}), true},
        Row{"DateEquals", {"2020-01-01"}, have({"2020-01-01T00:00:01Z"}), false},
        Row{"DateEquals", {"2020-01-01"}, absent, false},
        Row{"DateEqualsIfExists", {"2020-01-01"}, absent, true},
        Row{"DateNotEquals", {"2020-01-01"}, have({"2020-01-01T00:00:00Z"}), false},
        Row{"DateNotEquals", {"2020-01-01"}, have({"2020-01-01T00:00:01Z"}), true},
        Row{"DateNotEquals", {"2020-01-01"}, absent, true},
        Row{"DateNotEquals", {"2020-01-01"}, have({"soon"}), false, true},
        Row{"DateLessThan", {"2020-01-01"}, have({"2019-12-31T23:59:59.999Z"}), true},
        Row{"DateLessThan", {"2020-01-01"}, have({"2020-01-01T00:00:00Z"}), false},
        Row{"DateLessThan", {"2020-01-01"}, absent, false},
        Row{"DateLessThan", {"2020-01-01"}, have({"soon"}), false},
        Row{"DateLessThanEquals", {"2020-01-01"}, have({"2020-01-01T00:00:00Z"}), true},
        Row{"DateLessThanEquals", {"2020-01-01"}, have({"2020-01-01T00:00:01Z"}), false},
        Row{"DateGreaterThan", {"2020-01-01T00:00:01Z"}, have({"2020-01-01T00:00:02Z"}), true},
        Row{"DateGreaterThan",
            {"2020-01-01T00:00:01Z"},
            have({"2020-01-01T02:00:01+02:00"}),
            false},
        Row{"DateGreaterThan", {"2020-01-01T00:00:01Z"}, absent, false},
        Row{"DateGreaterThanEquals", {"2020-01-01"}, have({"2020-01-01T00:00:00Z"}), true},
        Row{"DateGreaterThanEquals", {"2020-01-01"}, have({"2019-12-31T00:00:00Z"}), false},
        Row{"DateGreaterThanEqualsIfExists", {"2020-01-01"}, absent, true}));

INSTANTIATE_TEST_SUITE_P(
    Others, ConditionTest,
    testing::Values(
        Row{"Bool", {"true"}, have({"true"}), true}, Row{"Bool", {"True"}, have({"true"}), true},
        Row{"Bool", {"true"}, have({"false"}), false},
        Row{"Bool", {"false"}, have({"false"}), true}, Row{"Bool", {"false"}, absent, false},
        Row{"Bool", {"true"}, absent, false}, Row{"BoolIfExists", {"true"}, absent, true},
        Row{"Bool", {"true"}, have({"maybe"}), false},
        Row{"Bool", {"false"}, have({"maybe"}), false},
        Row{"BinaryEquals", {"QmluYXJ5"}, have({"Binary"}), true},
        Row{"BinaryEquals", {"QmluYXJ5"}, have({"QmluYXJ5"}), false},
        Row{"BinaryEquals", {"AAE="}, have({std::string("\0\1", 2)}), true},
        Row{"BinaryEquals", {"AAE="}, absent, false},
        Row{"BinaryEqualsIfExists", {"AAE="}, absent, true},
        Row{"IpAddress", {"203.0.113.0/24"}, have({"203.0.113.9"}), true},
        Row{"IpAddress", {"203.0.113.0/24"}, have({"203.0.114.9"}), false},
        Row{"IpAddress", {"10.0.0.0/8", "2001:db8::/32"}, have({"2001:db8::1"}), true},
        Row{"IpAddress", {"203.0.113.0/24"}, absent, false},
        Row{"IpAddress", {"203.0.113.0/24"}, have({"unix"}), false},
        Row{"IpAddress", {"203.0.113.0/24"}, have({"203.0.113.0/25"}), false},
        Row{"IpAddressIfExists", {"203.0.113.0/24"}, absent, true},
        Row{"NotIpAddress", {"203.0.113.0/24"}, have({"203.0.113.9"}), false},
        Row{"NotIpAddress", {"203.0.113.0/24"}, have({"10.0.0.1"}), true},
        Row{"NotIpAddress", {"203.0.113.0/24", "10.0.0.0/8"}, have({"10.0.0.1"}), false},
        Row{"NotIpAddress", {"203.0.113.0/24"}, absent, true},
        Row{"NotIpAddress", {"203.0.113.0/24"}, have({"unix"}), false, true},
        Row{"NotIpAddressIfExists", {"203.0.113.0/24"}, absent, true},
        Row{"Null", {"true"}, absent, true}, Row{"Null", {"true"}, have({}), true},
        Row{"Null", {"true"}, have({"x"}), false}, Row{"Null", {"false"}, have({"x"}), true},
        Row{"Null", {"false"}, absent, false}, Row{"Null", {"false"}, have({""}), true},
        Row{"Null", {"true", "false"}, absent, true},
        Row{"Null", {"true", "false"}, have({"x"}), true}));

INSTANTIATE_TEST_SUITE_P(
    Sets, ConditionTest,
    testing::Values(
        Row{"ForAllValues:StringEquals", {"a", "b"}, have({"a"}), true},
        Row{"ForAllValues:StringEquals", {"a", "b"}, have({"b", "a"}), true},
        Row{"ForAllValues:StringEquals", {"a", "b"}, have({"a", "c"}), false},
        Row{"ForAllValues:StringEquals", {"a"}, absent, true},
        Row{"ForAllValues:StringEquals", {"a"}, have({}), true},
        Row{"ForAllValues:StringEquals", {"a"}, have({""}), true},
        Row{"ForAllValues:StringEquals", {"a"}, have({"", "a"}), false},
        Row{"ForAllValues:StringEqualsIfExists", {"a"}, absent, true},
        Row{"ForAllValues:StringEqualsIfExists", {"a"}, have({"b"}), false},
        Row{"ForAllValues:StringNotEquals", {"a", "b"}, have({"c", "d"}), true},
        Row{"ForAllValues:StringNotEquals", {"a", "b"}, have({"c", "a"}), false},
        Row{"ForAllValues:StringNotEquals", {"a"}, absent, true},
        Row{"ForAllValues:StringLike", {"app-*"}, have({"app-1", "app-2"}), true},
        Row{"ForAllValues:StringLike", {"app-*"}, have({"app-1", "x"}), false},
        Row{"ForAllValues:NumericLessThan", {"10"}, have({"1", "9"}), true},
        Row{"ForAllValues:NumericLessThan", {"10"}, have({"1", "19"}), false},
        Row{"ForAllValues:IpAddress", {"10.0.0.0/8"}, have({"10.1.1.1", "11.1.1.1"}), false},
        Row{"ForAnyValue:StringEquals", {"a", "b"}, have({"b", "c"}), true},
        Row{"ForAnyValue:StringEquals", {"a", "b"}, have({"c", "d"}), false},
        Row{"ForAnyValue:StringEquals", {"a"}, absent, false},
        Row{"ForAnyValue:StringEquals", {"a"}, have({}), false},
        Row{"ForAnyValue:StringEquals", {""}, have({""}), false},
        Row{"ForAnyValue:StringEqualsIfExists", {"a"}, absent, true},
        Row{"ForAnyValue:StringEqualsIfExists", {"a"}, have({"b"}), false},
        Row{"ForAnyValue:StringNotEquals", {"a"}, have({"a", "b"}), true},
        Row{"ForAnyValue:StringNotEquals", {"a"}, have({"a"}), false},
        Row{"ForAnyValue:StringNotEquals", {"a"}, absent, false},
        Row{"ForAnyValue:StringLike", {"app-*"}, have({"x", "app-1"}), true},
        Row{"ForAnyValue:ArnLike", {"arn:aws:kms:*:*:*"}, have({"x", kArn}), true},
        Row{"ForAnyValue:DateLessThan", {"2020"}, have({"2021", "2019"}), true},
        Row{"ForAnyValue:Bool", {"true"}, have({"false", "true"}), true},
        Row{"ForAnyValue:BinaryEquals", {"AAE="}, have({"x"}), false},
        // Without a set operator: any pair, or none.
        Row{"StringEquals", {"a"}, have({"b", "a"}), true},
        Row{"StringEquals", {"a"}, have({"b", "c"}), false},
        Row{"StringNotEquals", {"a"}, have({"b", "a"}), false},
        Row{"StringNotEquals", {"a"}, have({"b", "c"}), true}));

TEST(Condition, OfTheFirstVersionHasNoVariables) {
    const auto condition = Condition::parse("StringEquals", kKey, {"${aws:username}"}, false);
    ASSERT_TRUE(condition.ok());
    EXPECT_TRUE(condition->holds(context_of(have({"${aws:username}"})), Effect::allow));
    EXPECT_FALSE(condition->holds(context_of(have({"alice"})), Effect::allow));
}

TEST(Condition, ExplainsWhatWasWantedAndGot) {
    const auto condition = Condition::parse("StringEquals", kKey, {"a", "b"}, true);
    ASSERT_TRUE(condition.ok());
    EXPECT_EQ(condition->explain(context_of(have({"c\n"}))),
              R"(StringEquals "kms:Some/Key" wanted "a", "b", got "c\x0a")");
    EXPECT_EQ(
        condition->explain(context_of(absent)),
        R"(StringEquals "kms:Some/Key" wanted "a", "b", got nothing: the request has no such key)");
    const List many(20, "x");
    EXPECT_THAT(condition->explain(context_of(have(many))), HasSubstr("and 12 more"));
}

class OperatorRefusalTest : public testing::TestWithParam<std::string_view> {};

TEST_P(OperatorRefusalTest, IsRefused) {
    const auto op = Operator::parse(GetParam());
    ASSERT_FALSE(op.ok()) << GetParam();
    EXPECT_TRUE(op.error().is(PolicyErrc::malformed));
}

INSTANTIATE_TEST_SUITE_P(Names, OperatorRefusalTest,
                         testing::Values("", "IfExists", "StringEqual", "stringequals",
                                         "StringEquals ", "StringEqualsIfExistsIfExists",
                                         "ForAllValues:", "ForAllValue:StringEquals",
                                         "ForAllValues:ForAnyValue:StringLike",
                                         "ForAllValues: StringLike", "NullIfExists",
                                         "ForAnyValue:Null", "ForAllValues:Null", "BinaryNotEquals",
                                         "BoolNot", "NumericLessThanOrEquals", "IpAddressNot",
                                         "StringLikeIgnoreCase", "IfExistsStringLike"));

struct BadValue {
    std::string name;
    std::string value;
};

class ValueRefusalTest : public testing::TestWithParam<BadValue> {};

TEST_P(ValueRefusalTest, IsRefused) {
    const auto condition = Condition::parse(GetParam().name, kKey, {GetParam().value}, true);
    ASSERT_FALSE(condition.ok()) << GetParam().name << " " << GetParam().value;
    EXPECT_TRUE(condition.error().is(PolicyErrc::malformed));
}

INSTANTIATE_TEST_SUITE_P(
    Values, ValueRefusalTest,
    testing::Values(BadValue{"NumericEquals", "ten"}, BadValue{"NumericEquals", "${aws:EpochTime}"},
                    BadValue{"NumericLessThan", ""}, BadValue{"DateLessThan", "tomorrow"},
                    BadValue{"DateLessThan", "2020-*"}, BadValue{"Bool", "yes"},
                    BadValue{"Bool", ""}, BadValue{"Bool", "${aws:SecureTransport}"},
                    BadValue{"Null", "null"}, BadValue{"BinaryEquals", "no base64!"},
                    BadValue{"IpAddress", "203.0.113.*"},
                    BadValue{"NotIpAddress", "203.0.113.0/40"}, BadValue{"ArnEquals", "alice"},
                    BadValue{"ArnNotLike", "arn:aws:kms:*:key/*"}, BadValue{"ArnLike", ""},
                    BadValue{"StringEquals", "${aws:username"}, BadValue{"StringLike", "${}"}));

TEST(Condition, KeysWithoutPrefixAreRefused) {
    for (const std::string_view key : {"", "username", ":x", "aws:", "aws:\n"}) {
        EXPECT_FALSE(Condition::parse("StringEquals", key, {"a"}, true).ok()) << key;
    }
}

}  // namespace
}  // namespace casemate::policy
