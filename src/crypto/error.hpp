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
    // A key, a parameter or a message is outside what the algorithm or this project takes.
    out_of_range,
    // A ciphertext does not open: the key is another, or a byte was changed. No more is told.
    not_opened,
};

[[nodiscard]] std::string_view describe(CryptoErrc code);

}  // namespace casemate::crypto
