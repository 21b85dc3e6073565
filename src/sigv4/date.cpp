#include "sigv4/date.hpp"

#include <algorithm>
#include <array>

#include "codec/rfc3339.hpp"

namespace casemate::sigv4 {

namespace {

using std::chrono::day;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::month;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// fits compares a text with a pattern, in which '0' stands for a digit, 'a' for any
// character and all else for itself.
bool fits(std::string_view text, std::string_view pattern) {
    return std::equal(text.begin(), text.end(), pattern.begin(), pattern.end(),
                      [](char character, char wanted) {
                          if (wanted == '0') {
                              return character >= '0' && character <= '9';
                          }
                          return wanted == 'a' || character == wanted;
                      });
}

// number reads digits that fits has seen.
unsigned number(std::string_view digits) {
    unsigned value = 0;
    for (const char digit : digits) {
        value = value * 10 + static_cast<unsigned>(digit - '0');
    }
    return value;
}

std::optional<sys_seconds> moment(year_month_day date, unsigned hour, unsigned minute,
                                  unsigned second) {
    if (!date.ok() || hour > 23 || minute > 59 || second > 59) {
        return std::nullopt;
    }
    return sys_days(date) + hours(hour) + minutes(minute) + seconds(second);
}

}  // namespace

std::optional<sys_seconds> parse_amz_date(std::string_view text) {
    if (!fits(text, "00000000T000000Z")) {
        return std::nullopt;
    }
    const year_month_day date(year(static_cast<int>(number(text.substr(0, 4)))),
                              month(number(text.substr(4, 2))), day(number(text.substr(6, 2))));
    return moment(date, number(text.substr(9, 2)), number(text.substr(11, 2)),
                  number(text.substr(13, 2)));
}

std::string format_amz_date(sys_seconds time) {
    std::string text = codec::format_rfc3339(time);
    std::erase_if(text, [](char character) { return character == '-' || character == ':'; });
    return text;
}

std::optional<sys_seconds> parse_http_date(std::string_view text) {
    if (!fits(text, "aaa, 00 aaa 0000 00:00:00 GMT")) {
        return std::nullopt;
    }
    const auto* name = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
    if (name == kMonths.end()) {
        return std::nullopt;
    }
    const year_month_day date(year(static_cast<int>(number(text.substr(12, 4)))),
                              month(static_cast<unsigned>(name - kMonths.begin()) + 1),
                              day(number(text.substr(5, 2))));
    const auto time = moment(date, number(text.substr(17, 2)), number(text.substr(20, 2)),
                             number(text.substr(23, 2)));
    if (!time || kDays[std::chrono::weekday(sys_days(date)).c_encoding()] != text.substr(0, 3)) {
        return std::nullopt;
    }
    return time;
}

}  // namespace casemate::sigv4
