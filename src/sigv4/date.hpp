// Dates of requests.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace casemate::sigv4 {

// parse_amz_date reads ISO 8601's basic form in UTC, "20150830T123600Z", and nothing else.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_amz_date(std::string_view text);

// format_amz_date writes what parse_amz_date reads. The year must be 0 to 9999.
[[nodiscard]] std::string format_amz_date(std::chrono::sys_seconds time);

// parse_http_date reads the form of HTTP dates that senders must use (RFC 7231 7.1.1.1,
// IMF-fixdate): "Sun, 30 Aug 2015 12:36:00 GMT". The day of the week must be right.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text);

}  // namespace casemate::sigv4
