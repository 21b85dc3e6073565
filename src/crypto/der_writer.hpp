// Writing DER (ITU-T X.690). Reading it is der.hpp's.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace casemate::crypto::der {

// append_element appends a tag, the length in its shortest form, and the content.
void append_element(Bytes& out, std::uint8_t tag, ByteView content);

}  // namespace casemate::crypto::der
