// Small rules of HTTP's text that the files of this room share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace casemate::sigv4 {

// lower makes ASCII's capitals small.
[[nodiscard]] std::string lower(std::string_view text);

// trim leaves out spaces and tabs at both ends; fold does, and makes one space of each run inside.
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] std::string fold(std::string_view text);

// is_token tells whether text may be a method or a header's name (RFC 7230 3.2.6).
[[nodiscard]] bool is_token(std::string_view text);

// percent_encode leaves RFC 3986's unreserved characters and those in `also` as they are and writes
// each other byte as '%' and two digits, capitals.
[[nodiscard]] std::string percent_encode(std::string_view text, std::string_view also = {});

// percent_decode is the reverse; nothing for a '%' without two digits. '+' stays '+'.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace casemate::sigv4
