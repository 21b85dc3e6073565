// Values that condition operators compare: numbers, dates, truths and addresses.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace casemate::policy {

// parse_number reads an integer or decimal number ("10", "-2.5", "1e3").
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

// parse_truth reads "true" or "false", in letters of any case.
[[nodiscard]] std::optional<bool> parse_truth(std::string_view text);

using Date = std::chrono::sys_time<std::chrono::milliseconds>;

// parse_date reads the W3C's forms of ISO 8601 ("2026", "2026-08", "2026-08-16",
// "2026-08-16T12:00Z", with seconds, with a fraction; an offset in place of 'Z') or seconds since
// 1970. Four digits alone are a year.
[[nodiscard]] std::optional<Date> parse_date(std::string_view text);

// AddressRange: an address or a range of them in CIDR form. IPv4 addresses mapped into IPv6 are the
// IPv4 addresses that they mean; other ranges of IPv6 hold none of IPv4.
class AddressRange {
public:
    // parse reads "203.0.113.0/24", "2001:db8::/32", or an address alone, which is a range of one.
    static std::optional<AddressRange> parse(std::string_view text);

    // is_single tells whether the range is one address.
    [[nodiscard]] bool is_single() const { return prefix_ == 128; }

    // contains tells whether all of another range lies in this one.
    [[nodiscard]] bool contains(const AddressRange& other) const;

private:
    [[nodiscard]] bool is_v4() const;

    // IPv4 is kept mapped: ::ffff:0:0/96.
    std::array<std::uint8_t, 16> address_{};
    unsigned prefix_ = 128;
};

}  // namespace casemate::policy
