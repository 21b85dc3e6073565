// Text that others wrote: lists of lines, lists ended by NUL, decimal numbers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace casemate::guest {

// split cuts text at each separator: "a:b" is {"a", "b"}, "" is {""}.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

// split_entries reads a list whose entries each end in terminator; the last may lack it, so "a\n"
// and "a" are both {"a"}, and "" is {}.
[[nodiscard]] std::vector<std::string_view> split_entries(std::string_view text, char terminator);

// parse_decimal reads digits only, at most maximum; no sign, no space, nothing after.
[[nodiscard]] std::optional<std::uint32_t> parse_decimal(std::string_view text,
                                                         std::uint32_t maximum);

// printable replaces what would disturb a console or end a line (anything but printable ASCII and
// UTF-8 bytes) by '?', and cuts after limit bytes.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit);

}  // namespace casemate::guest
