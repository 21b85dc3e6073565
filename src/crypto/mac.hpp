// HMAC (FIPS 198-1) with SHA-2, whole.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace casemate::crypto {

enum class MacAlgorithm : std::uint8_t { hmac_sha256, hmac_sha384, hmac_sha512 };

// mac_size is the number of bytes of an algorithm's code: 32, 48 or 64.
[[nodiscard]] std::size_t mac_size(MacAlgorithm algorithm);

// hmac makes the code of a message under a key of any size, the empty one included. The code is
// secret, for many a one is the next key.
[[nodiscard]] SecretBytes hmac(MacAlgorithm algorithm, ByteView key, ByteView message);

// verify_hmac tells whether mac is the whole code of a message, in a time that does not depend on
// where they differ. A shortened code is none.
[[nodiscard]] bool verify_hmac(MacAlgorithm algorithm, ByteView key, ByteView message,
                               ByteView mac);

}  // namespace casemate::crypto
