// Key agreement: elliptic curve Diffie-Hellman with cofactor (NIST SP 800-56A 5.7.1.2).
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/key.hpp"

namespace casemate::crypto {

// agree gives the raw secret, the shared point's X coordinate: 32, 48 or 66 bytes, leading zeros
// kept. peer_spki is the other side's DER SubjectPublicKeyInfo, checked as PublicKey::from_spki
// does. It is not uniform: keys are to be derived from it. Errors: CryptoErrc bad_encoding for what
// is no public key or no point of its curve, out_of_range for a key on another curve,
// library_failure, token_failure.
[[nodiscard]] Result<SecretBytes> agree(const PrivateKey& mine, ByteView peer_spki);

}  // namespace casemate::crypto
