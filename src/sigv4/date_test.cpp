#include "sigv4/date.hpp"

#include <gtest/gtest.h>

namespace casemate::sigv4 {
namespace {

using std::chrono::sys_seconds;

constexpr sys_seconds kExample{std::chrono::seconds(1440938160)};

TEST(Date, Amz) {
    EXPECT_EQ(parse_amz_date("20150830T123600Z"), kExample);
    EXPECT_EQ(format_amz_date(kExample), "20150830T123600Z");
    EXPECT_EQ(parse_amz_date("20240229T235959Z"), sys_seconds(std::chrono::seconds(1709251199)));
    EXPECT_EQ(format_amz_date(*parse_amz_date("00000101T000000Z")), "00000101T000000Z");
    EXPECT_EQ(format_amz_date(*parse_amz_date("99991231T235959Z")), "99991231T235959Z");
}

TEST(Date, AmzRefuses) {
    for (const char* text : {"",
                             "20150830T123600",
                             "20150830T123600Z ",
                             " 20150830T123600Z",
                             "20150830t123600z",
                             "20150830 123600Z",
                             "20150830T123600+0000",
                             "2015-08-30T12:36:00Z",
                             "20150832T123600Z",
                             "20151330T123600Z",
                             "20150030T123600Z",
                             "20150800T123600Z",
                             "20150229T123600Z",
                             "20150830T243600Z",
                             "20150830T126000Z",
                             "20150830T123660Z",
                             "2015083OT123600Z",
                             "-0150830T123600Z",
                             "+2150830T123600Z",
                             "120150830T123600Z"}) {
        EXPECT_FALSE(parse_amz_date(text)) << text;
    }
    EXPECT_FALSE(parse_amz_date(std::string_view("20150830T123600Z\0", 17)));
}

TEST(Date, Http) {
    EXPECT_EQ(parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT"), kExample);
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"),
              sys_seconds(std::chrono::seconds(784111777)));
    EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 23:59:59 GMT"),
              sys_seconds(std::chrono::seconds(1709251199)));
}

TEST(Date, HttpRefuses) {
    for (const char* text : {"", "Mon, 30 Aug 2015 12:36:00 GMT", "sun, 30 Aug 2015 12:36:00 GMT",
                             "Sun, 30 aug 2015 12:36:00 GMT", "Sun, 30 Aug 2015 12:36:00 UTC",
                             "Sun, 30 Aug 2015 12:36:00 gmt", "Sun, 30 Aug 2015 12:36:00",
                             "Sun 30 Aug 2015 12:36:00 GMT", "Sun, 30 Aug 2015 24:36:00 GMT",
                             "Sun, 30 Aug 2015 12:60:00 GMT", "Sun, 30 Aug 2015 12:36:60 GMT",
                             "Sun, 32 Aug 2015 12:36:00 GMT", "Sun, 30 Agu 2015 12:36:00 GMT",
                             "Sun, 3 Aug 2015 12:36:00 GMT", "Sun, 30 Aug 15 12:36:00 GMT",
                             "Sunday, 30-Aug-15 12:36:00 GMT", "Sun Aug 30 12:36:00 2015"}) {
        EXPECT_FALSE(parse_http_date(text)) << text;
    }
}

}  // namespace
}  // namespace casemate::sigv4
