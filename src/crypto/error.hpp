// Errors of the crypto room.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::crypto {

enum class CryptoErrc : std::uint8_t {
    // The bytes are not what they should encode (PEM, DER).
    bad_encoding,
    // OpenSSL could not do it; the sentence carries its own reasons.
    library_failure,
    // A PKCS #11 token, or OpenSSL's way to it, refused.
    token_failure,
};

[[nodiscard]] std::string_view describe(CryptoErrc code);

}  // namespace casemate::crypto
