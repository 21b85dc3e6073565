// UTF-8 (RFC 3629).
#pragma once

#include "base/bytes.hpp"

namespace casemate {

// is_utf8 tells whether bytes are well-formed: no surrogates, nothing longer than needed, nothing
// above U+10FFFF.
[[nodiscard]] bool is_utf8(ByteView bytes);

}  // namespace casemate
