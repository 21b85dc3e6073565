#include "attestation/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace casemate::attestation {

std::string printable(std::string_view text, std::size_t limit) {
    std::string shown;
    for (const char c : text.substr(0, limit)) {
        if (c >= ' ' && c <= '~' && c != '\\') {
            shown += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            shown += "\\x" + to_hex({&byte, 1});
        }
    }
    return text.size() > limit ? shown + "..." : shown;
}

std::string short_hex(ByteView bytes) {
    constexpr std::size_t kShown = 48;
    if (bytes.empty()) {
        return "nothing";
    }
    std::string shown = to_hex(bytes.first(std::min(bytes.size(), kShown)));
    if (bytes.size() > kShown) {
        shown += "... (" + std::to_string(bytes.size()) + " bytes)";
    }
    return shown;
}

std::string time_text(Time time) {
    using namespace std::chrono;
    if (time < Time{} || time > kLastTime) {
        return std::to_string(time.time_since_epoch().count()) + " ms since 1970";
    }
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    std::array<char, 64> text{};
    const int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int(date.year()),
        unsigned(date.month()), unsigned(date.day()), static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
        static_cast<int>(clock.subseconds().count()));
    return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace casemate::attestation
