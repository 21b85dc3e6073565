#include "machine/cmos.hpp"

namespace casemate::machine {

namespace {

enum class Register : std::uint8_t {
    seconds = 0x00,
    minutes = 0x02,
    hours = 0x04,
    day_of_week = 0x06,
    day_of_month = 0x07,
    month = 0x08,
    year = 0x09,
    status_a = 0x0a,
    status_b = 0x0b,
    status_d = 0x0d,
    century = 0x32,
};

// The usual 32.768 kHz divider and rate, and no update in progress: reading never has to wait.
constexpr std::uint8_t kStatusA = 0x26;
// 24 hours, binary-coded decimal.
constexpr std::uint8_t kStatusB = 0x02;
// The battery is good.
constexpr std::uint8_t kStatusD = 0x80;

std::uint8_t bcd(long value) {
    return static_cast<std::uint8_t>(value / 10 * 16 + value % 10);
}

}  // namespace

void CmosClock::read(std::uint64_t offset, MutableBytes data) {
    const std::lock_guard lock(mutex_);
    if (offset == 1) {
        data[0] = read_register();
    }
}

void CmosClock::write(std::uint64_t offset, ByteView data) {
    const std::lock_guard lock(mutex_);
    if (offset == 0) {
        // The top bit masks non-maskable interrupts, of which there are none.
        index_ = data[0] & 0x7fU;
    }
}

std::uint8_t CmosClock::read_register() const {
    const auto now = now_();
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(now - day));
    const int year = static_cast<int>(date.year());
    switch (static_cast<Register>(index_)) {
        case Register::seconds:
            return bcd(time.seconds().count());
        case Register::minutes:
            return bcd(time.minutes().count());
        case Register::hours:
            return bcd(time.hours().count());
        case Register::day_of_week:
            return bcd(std::chrono::weekday(day).c_encoding() + 1);
        case Register::day_of_month:
            return bcd(static_cast<unsigned>(date.day()));
        case Register::month:
            return bcd(static_cast<unsigned>(date.month()));
        case Register::year:
            return bcd(year % 100);
        case Register::century:
            return bcd(year / 100);
        case Register::status_a:
            return kStatusA;
        case Register::status_b:
            return kStatusB;
        case Register::status_d:
            return kStatusD;
    }
    return 0;
}

}  // namespace casemate::machine
