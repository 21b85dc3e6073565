// How the room's sentences show what strangers wrote.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace casemate::attestation {

// printable keeps printable ASCII but for the backslash, writes every other byte as \xNN, and cuts
// what is longer than limit bytes, marked by "...": nothing of it can drive a terminal or end a
// line.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 100);

// short_hex writes at most the first 48 bytes in hexadecimal and, where that is not all, "... (N
// bytes)"; "nothing" for no bytes.
[[nodiscard]] std::string short_hex(ByteView bytes);

}  // namespace casemate::attestation
