// What the files of this room share of private keys' encodings (PKCS #8, RFC 5208). No other room
// includes this header.
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/key_access.hpp"

namespace casemate::crypto {

// read_pkcs8 decodes an unencrypted PrivateKeyInfo in DER, of any kind of key, with nothing after
// it. Errors: CryptoErrc bad_encoding.
[[nodiscard]] Result<EvpKey> read_pkcs8(ByteView der);

// read_pem_key decodes the first unencrypted private key in PEM, of any kind of key. Errors:
// CryptoErrc bad_encoding.
[[nodiscard]] Result<EvpKey> read_pem_key(ByteView pem);

// write_pkcs8 encodes a key that is in memory; nothing of it stays anywhere else.
[[nodiscard]] SecretBytes write_pkcs8(const EVP_PKEY* key);

}  // namespace casemate::crypto
