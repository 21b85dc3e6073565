// Base64 (RFC 4648 4): the alphabet with '+' and '/', padded, and one text only for each byte
// string.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace casemate::codec {

// encode_base64 writes one line, padded to a multiple of four characters.
[[nodiscard]] std::string encode_base64(ByteView bytes);

// decode_base64 reads what encode_base64 writes: nothing for any other character (white space and
// the URL alphabet included), for absent or misplaced padding, and for unused bits that are not
// zero (RFC 4648 3.5).
[[nodiscard]] std::optional<Bytes> decode_base64(std::string_view text);

}  // namespace casemate::codec
