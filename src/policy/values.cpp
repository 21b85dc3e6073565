#include "policy/values.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "codec/rfc3339.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

bool is_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool equals_ignoring_case(std::string_view text, std::string_view small) {
    return text.size() == small.size() &&
           std::equal(text.begin(), text.end(), small.begin(),
                      [](char a, char b) { return lower_letter(a) == b; });
}

// kMapped: bits before the IPv4 address in one that is mapped into IPv6.
constexpr unsigned kMapped = 96;

std::optional<Date> parse_epoch(std::string_view text) {
    constexpr std::size_t kMostDigits = 12;
    std::int64_t seconds = 0;
    const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    if (!is_digits(digits) || digits.size() > kMostDigits) {
        return std::nullopt;
    }
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return Date(std::chrono::seconds(seconds));
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) {
            return std::nullopt;
        }
    }
    // Which std::from_chars would read as well: "inf" and "nan".
    if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos) {
        return std::nullopt;
    }
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::optional<bool> parse_truth(std::string_view text) {
    if (equals_ignoring_case(text, "true")) {
        return true;
    }
    if (equals_ignoring_case(text, "false")) {
        return false;
    }
    return std::nullopt;
}

std::optional<Date> parse_date(std::string_view text) {
    constexpr std::size_t kYear = 4;
    constexpr std::size_t kMonth = 7;
    constexpr std::size_t kDay = 10;
    constexpr std::size_t kMinute = 16;
    std::string whole(text);
    if (text.size() == kYear && is_digits(text)) {
        whole += "-01-01T00:00:00Z";
    } else if (text.size() == kMonth && text[kYear] == '-') {
        whole += "-01T00:00:00Z";
    } else if (text.size() == kDay && text[kYear] == '-') {
        whole += "T00:00:00Z";
    } else if (text.size() > kMinute && text[kYear] == '-' && text[kMinute] != ':') {
        whole.insert(kMinute, ":00");
    }
    if (const auto date = codec::parse_rfc3339(whole)) {
        return date;
    }
    return parse_epoch(text);
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
    AddressRange range;
    const std::size_t slash = text.find('/');
    const std::string address(text.substr(0, slash));
    const bool is_v4 = address.find(':') == std::string::npos;
    // inet_pton reads a text up to its end; a zero byte would hide what stands behind it.
    if (address.find('\0') != std::string::npos) {
        return std::nullopt;
    }
    if (is_v4) {
        range.address_[10] = range.address_[11] = 0xff;
    }
    if (inet_pton(is_v4 ? AF_INET : AF_INET6, address.c_str(),
                  range.address_.data() + (is_v4 ? 12 : 0)) != 1) {
        return std::nullopt;
    }
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        unsigned prefix = 0;
        if (!is_digits(digits) || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0')) {
            return std::nullopt;
        }
        std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
        if (prefix > (is_v4 ? 32U : 128U)) {
            return std::nullopt;
        }
        range.prefix_ = is_v4 ? prefix + kMapped : prefix;
    }
    return range;
}

bool AddressRange::is_v4() const {
    constexpr std::array<std::uint8_t, 12> kBefore{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return prefix_ >= kMapped && std::equal(kBefore.begin(), kBefore.end(), address_.begin());
}

bool AddressRange::contains(const AddressRange& other) const {
    if (other.prefix_ < prefix_ || other.is_v4() != is_v4()) {
        return false;
    }
    const std::size_t whole = prefix_ / 8;
    if (!std::equal(address_.begin(), address_.begin() + static_cast<std::ptrdiff_t>(whole),
                    other.address_.begin())) {
        return false;
    }
    const unsigned rest = prefix_ % 8;
    if (rest == 0) {
        return true;
    }
    const unsigned mask = 0xffU << (8 - rest);
    return ((address_[whole] ^ other.address_[whole]) & mask) == 0;
}

}  // namespace casemate::policy
