#include "codec/rfc3339.hpp"

#include <algorithm>
#include <cstdint>

namespace casemate::codec {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::year_month_day;

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

// Scanner takes parts off the front of a text; once something is not as asked, failed stays set.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool done() const { return !failed_ && rest_.empty(); }

    // number reads exactly that many digits as a number of least to most.
    int number(std::size_t digits, int least, int most) {
        int value = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            value = value * 10 + next_digit();
        }
        failed_ = failed_ || value < least || value > most;
        return failed_ ? least : value;
    }

    // take removes the next character if it is one of these.
    bool take(std::string_view any_of) {
        if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    void expect(std::string_view any_of) { failed_ = !take(any_of) || failed_; }

    // fraction reads digits, at least one, as a fraction of a second.
    milliseconds fraction() {
        int value = 0;
        int unit = 100;
        do {
            value += next_digit() * unit;
            unit /= 10;
        } while (!failed_ && !rest_.empty() && is_digit(rest_.front()));
        return milliseconds(value);
    }

private:
    int next_digit() {
        if (rest_.empty() || !is_digit(rest_.front())) {
            failed_ = true;
            return 0;
        }
        const int value = rest_.front() - '0';
        rest_.remove_prefix(1);
        return value;
    }

    std::string_view rest_;
    bool failed_ = false;
};

year_month_day read_date(Scanner& scanner) {
    const std::chrono::year year(scanner.number(4, 0, 9999));
    scanner.expect("-");
    const std::chrono::month month(static_cast<unsigned>(scanner.number(2, 1, 12)));
    scanner.expect("-");
    const std::chrono::day day(static_cast<unsigned>(scanner.number(2, 1, 31)));
    return {year, month, day};
}

milliseconds read_time_of_day(Scanner& scanner) {
    milliseconds time = hours(scanner.number(2, 0, 23));
    scanner.expect(":");
    time += minutes(scanner.number(2, 0, 59));
    scanner.expect(":");
    time += seconds(scanner.number(2, 0, 59));
    return scanner.take(".") ? time + scanner.fraction() : time;
}

minutes read_offset(Scanner& scanner) {
    if (scanner.take("Zz")) {
        return minutes(0);
    }
    const bool west = scanner.take("-");
    if (!west) {
        scanner.expect("+");
    }
    minutes offset = hours(scanner.number(2, 0, 23));
    scanner.expect(":");
    offset += minutes(scanner.number(2, 0, 59));
    return west ? -offset : offset;
}

// append_digits writes a number, which is not negative, with that many digits.
void append_digits(std::string& out, std::int64_t number, std::size_t digits) {
    out.resize(out.size() + digits);
    for (auto place = out.rbegin(); digits > 0; --digits, ++place) {
        *place = static_cast<char>('0' + number % 10);
        number /= 10;
    }
}

}  // namespace

std::optional<Milliseconds> parse_rfc3339(std::string_view text) {
    Scanner scanner(text);
    const year_month_day date = read_date(scanner);
    scanner.expect("Tt");
    const milliseconds time = read_time_of_day(scanner);
    const minutes offset = read_offset(scanner);
    if (!scanner.done() || !date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + time - offset;
}

std::string format_rfc3339(Milliseconds time) {
    using std::chrono::sys_days;
    constexpr Milliseconds kFirst = sys_days(year_month_day(std::chrono::year(0) / 1 / 1));
    constexpr Milliseconds kLast =
        sys_days(year_month_day(std::chrono::year(10000) / 1 / 1)) - milliseconds(1);
    time = std::clamp(time, kFirst, kLast);
    const auto day = std::chrono::floor<days>(time);
    const year_month_day date(day);
    const std::chrono::hh_mm_ss<milliseconds> clock(time - day);
    std::string text;
    append_digits(text, static_cast<int>(date.year()), 4);
    text += '-';
    append_digits(text, static_cast<unsigned>(date.month()), 2);
    text += '-';
    append_digits(text, static_cast<unsigned>(date.day()), 2);
    text += 'T';
    append_digits(text, clock.hours().count(), 2);
    text += ':';
    append_digits(text, clock.minutes().count(), 2);
    text += ':';
    append_digits(text, clock.seconds().count(), 2);
    if (clock.subseconds().count() != 0) {
        text += '.';
        append_digits(text, clock.subseconds().count(), 3);
    }
    text += 'Z';
    return text;
}

}  // namespace casemate::codec
