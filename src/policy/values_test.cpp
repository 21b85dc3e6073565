#include "policy/values.hpp"

#include <gtest/gtest.h>

#include <string>

namespace casemate::policy {
namespace {

TEST(Values, Numbers) {
    EXPECT_EQ(parse_number("0"), 0.0);
    EXPECT_EQ(parse_number("10"), 10.0);
    EXPECT_EQ(parse_number("+10"), 10.0);
    EXPECT_EQ(parse_number("-2.5"), -2.5);
    EXPECT_EQ(parse_number("1e3"), 1000.0);
    EXPECT_EQ(parse_number("111122223333"), 111122223333.0);
    for (const std::string_view text : {"", "-", "+", "+-1", "inf", "nan", "0x10", "1 ", " 1", "1e",
                                        "1e999", "ten", "1,5", "--1"}) {
        EXPECT_EQ(parse_number(text), std::nullopt) << text;
    }
}

TEST(Values, Truths) {
    EXPECT_EQ(parse_truth("true"), true);
    EXPECT_EQ(parse_truth("True"), true);
    EXPECT_EQ(parse_truth("FALSE"), false);
    for (const std::string_view text : {"", "1", "0", "yes", "tru", "truee"}) {
        EXPECT_EQ(parse_truth(text), std::nullopt) << text;
    }
}

TEST(Values, Dates) {
    struct ValueRow {
        std::string_view text;
        std::int64_t seconds;
    };
    for (const ValueRow& row :
         {ValueRow{"2020-01-01T00:00:01Z", 1577836801}, ValueRow{"2020-01-01T00:00Z", 1577836800},
          ValueRow{"2020-01-01T02:00+02:00", 1577836800}, ValueRow{"2020-01-01", 1577836800},
          ValueRow{"2020-01", 1577836800}, ValueRow{"2020", 1577836800},
          ValueRow{"1577836800", 1577836800}, ValueRow{"0", 0}, ValueRow{"-1", -1},
          ValueRow{"-1234567", -1234567}, ValueRow{"20200", 20200}}) {
        const auto date = parse_date(row.text);
        ASSERT_TRUE(date.has_value()) << row.text;
        EXPECT_EQ(date->time_since_epoch(), std::chrono::seconds(row.seconds)) << row.text;
    }
    EXPECT_EQ(parse_date("2020-01-01T00:00:01.250Z")->time_since_epoch().count(), 1577836801250);
    for (const std::string_view text :
         {"", "-", "2020-13", "2020-02-30", "2020-01-01T00:00:01", "2020-01-01T00:00",
          "2020-01-01 00:00:01Z", "1234567890123", "1.5", "today", "2020-01-01T", "2020/01",
          "2020-01-01T24:00Z", "+5"}) {
        EXPECT_EQ(parse_date(text), std::nullopt) << text;
    }
}

struct ValueRow {
    std::string_view range;
    std::string_view address;
    bool contains;
};

class AddressTest : public testing::TestWithParam<ValueRow> {};

TEST_P(AddressTest, IsContainedOrNot) {
    const auto range = AddressRange::parse(GetParam().range);
    const auto address = AddressRange::parse(GetParam().address);
    ASSERT_TRUE(range && address);
    EXPECT_EQ(range->contains(*address), GetParam().contains)
        << GetParam().range << " " << GetParam().address;
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, AddressTest,
    testing::Values(
        ValueRow{"203.0.113.0/24", "203.0.113.0", true},
        ValueRow{"203.0.113.0/24", "203.0.113.255", true},
        ValueRow{"203.0.113.0/24", "203.0.114.0", false},
        ValueRow{"203.0.113.77/24", "203.0.113.1", true},
        ValueRow{"203.0.113.128/25", "203.0.113.127", false},
        ValueRow{"203.0.113.7", "203.0.113.7", true}, ValueRow{"203.0.113.7", "203.0.113.6", false},
        ValueRow{"0.0.0.0/0", "255.255.255.255", true}, ValueRow{"0.0.0.0/0", "::1", false},
        ValueRow{"::/0", "2001:db8::1", true}, ValueRow{"::/0", "10.0.0.1", false},
        ValueRow{"2001:DB8:1234:5678::/64", "2001:db8:1234:5678:ffff::1", true},
        ValueRow{"2001:DB8:1234:5678::/64", "2001:db8:1234:5679::1", false},
        ValueRow{"2001:db8::/33", "2001:db8:8000::1", false},
        ValueRow{"2001:db8::1", "2001:db8::1", true},
        ValueRow{"10.0.0.0/8", "::ffff:10.1.2.3", true},
        ValueRow{"::ffff:10.0.0.0/104", "10.1.2.3", true},
        ValueRow{"10.0.0.0/8", "10.0.0.0/16", true}, ValueRow{"10.0.0.0/16", "10.0.0.0/8", false},
        ValueRow{"127.0.0.1", "::1", false}));

TEST(Values, AddressesThatAreNone) {
    for (const std::string_view text :
         {"", "/", "10.0.0", "10.0.0.256", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/08",
          "10.0.0.0/8/8", "10.0.0.*", "2001:db8::/129", "2001:db8:::1", "localhost", " 10.0.0.1",
          "10.0.0.0/1234567890", "fe80::1%eth0"}) {
        EXPECT_FALSE(AddressRange::parse(text).has_value()) << text;
    }
    EXPECT_FALSE(AddressRange::parse(std::string("10.0.0.1\0x", 10)).has_value());
    EXPECT_TRUE(AddressRange::parse("10.0.0.1")->is_single());
    EXPECT_TRUE(AddressRange::parse("10.0.0.1/32")->is_single());
    EXPECT_FALSE(AddressRange::parse("10.0.0.0/31")->is_single());
}

}  // namespace
}  // namespace casemate::policy
