#include "codec/rfc3339.hpp"

#include <gtest/gtest.h>

namespace casemate::codec {
namespace {

struct TimeAndText {
    std::string_view text;
    std::int64_t milliseconds;
};

class Rfc3339Test : public testing::TestWithParam<TimeAndText> {};

TEST_P(Rfc3339Test, IsRead) {
    const auto time = parse_rfc3339(GetParam().text);
    ASSERT_TRUE(time.has_value()) << GetParam().text;
    EXPECT_EQ(time->time_since_epoch().count(), GetParam().milliseconds) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Times, Rfc3339Test,
    testing::Values(TimeAndText{"1970-01-01T00:00:00Z", 0},
                    TimeAndText{"2022-10-13T08:58:02.136Z", 1665651482136},
                    TimeAndText{"2022-10-13t08:58:02.136z", 1665651482136},
                    TimeAndText{"2022-10-13T10:58:02.136+02:00", 1665651482136},
                    TimeAndText{"2022-10-12T23:28:02.136-09:30", 1665651482136},
                    TimeAndText{"2022-10-13T08:58:02.136-00:00", 1665651482136},
                    TimeAndText{"2022-10-13T08:58:02.1Z", 1665651482100},
                    TimeAndText{"2022-10-13T08:58:02.01Z", 1665651482010},
                    TimeAndText{"2022-10-13T08:58:02.136999999999999Z", 1665651482136},
                    TimeAndText{"1969-12-31T23:59:59.999Z", -1},
                    TimeAndText{"2000-02-29T00:00:00Z", 951782400000},
                    TimeAndText{"0000-01-01T00:00:00Z", -62167219200000},
                    TimeAndText{"9999-12-31T23:59:59.999Z", 253402300799999},
                    TimeAndText{"0000-01-01T00:00:00+23:59", -62167219200000 - 86340000}));

class Rfc3339RefusalTest : public testing::TestWithParam<std::string_view> {};

TEST_P(Rfc3339RefusalTest, IsRefused) {
    EXPECT_FALSE(parse_rfc3339(GetParam()).has_value()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    Texts, Rfc3339RefusalTest,
    testing::Values("", "now", "2022-10-13", "2022-10-13T08:58:02", "2022-10-13 08:58:02Z",
                    "2022-10-13T08:58Z", "2022-10-13T08:58:02.Z", "2022-10-13T08:58:02,1Z",
                    "2022-10-13T08:58:02Z ", " 2022-10-13T08:58:02Z", "2022-10-13T08:58:02ZZ",
                    "2022-10-13T08:58:02+0200", "2022-10-13T08:58:02+02",
                    "2022-10-13T08:58:02+24:00", "2022-10-13T08:58:02+02:60",
                    "2022-13-13T08:58:02Z", "2022-00-13T08:58:02Z", "2022-10-00T08:58:02Z",
                    "2022-10-32T08:58:02Z", "2022-02-29T08:58:02Z", "1900-02-29T08:58:02Z",
                    "2022-10-13T24:00:00Z", "2022-10-13T08:60:02Z", "2016-12-31T23:59:60Z",
                    "22-10-13T08:58:02Z", "12022-10-13T08:58:02Z", "-022-10-13T08:58:02Z",
                    "2022-1-13T08:58:02Z", "2022-10-13T+8:58:02Z", "2022-10-13T08:58:02.1x6Z",
                    "1665651482"));

TEST(Rfc3339FormatTest, IsReadBack) {
    const auto format = [](std::int64_t time) {
        return format_rfc3339(Milliseconds(std::chrono::milliseconds(time)));
    };
    EXPECT_EQ(format(1665651482136), "2022-10-13T08:58:02.136Z");
    EXPECT_EQ(format(1665651482006), "2022-10-13T08:58:02.006Z");
    EXPECT_EQ(format(1665651482000), "2022-10-13T08:58:02Z");
    EXPECT_EQ(format(-1), "1969-12-31T23:59:59.999Z");
    EXPECT_EQ(format(std::numeric_limits<std::int64_t>::max()), "9999-12-31T23:59:59.999Z");
    EXPECT_EQ(format(std::numeric_limits<std::int64_t>::min()), "0000-01-01T00:00:00Z");
    for (std::int64_t time = -62167219200000; time < 253402300799999; time += 86399999999 * 7) {
        const auto back = parse_rfc3339(format(time));
        ASSERT_TRUE(back.has_value()) << format(time);
        EXPECT_EQ(back->time_since_epoch().count(), time);
    }
}

}  // namespace
}  // namespace casemate::codec
