// Times as text (RFC 3339): "2022-10-13T08:58:02.136Z".
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace casemate::codec {

using Milliseconds = std::chrono::sys_time<std::chrono::milliseconds>;

// parse_rfc3339 reads a date-time: four digits of a year that has such a date, 'T', a time with
// seconds and an optional fraction of any length, of which all beyond milliseconds is cut, and 'Z'
// or an offset of hours and minutes. 'T' and 'Z' may be small. Nothing for anything else, and for
// leap seconds, which the clocks of computers don't have.
[[nodiscard]] std::optional<Milliseconds> parse_rfc3339(std::string_view text);

// format_rfc3339 writes UTC, with milliseconds unless they are zero. A time outside of the years 0
// to 9999 is written as the nearest inside.
[[nodiscard]] std::string format_rfc3339(Milliseconds time);

}  // namespace casemate::codec
