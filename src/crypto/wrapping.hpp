// Wrapping keys: AES key wrap with padding (RFC 5649), and RSA-AES key wrap as KMS's import has it
// (RSA_AES_KEY_WRAP_SHA_*; PKCS #11 calls it CKM_RSA_AES_KEY_WRAP).
#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/rsa.hpp"

namespace casemate::crypto {

// kMaxWrapped: the longest key that is wrapped, in bytes.
inline constexpr std::size_t kMaxWrapped = 64UL * 1024;

// wrap wraps 1 to kMaxWrapped bytes under an AES key of 32 bytes; the result is padded to a
// multiple of 8, and 8 bytes longer. Errors: CryptoErrc out_of_range.
[[nodiscard]] Result<Bytes> wrap(const SecretBytes& wrapping_key, ByteView key);
// unwrap gives what was wrapped. Errors: CryptoErrc out_of_range for a wrapping key of another
// size, not_opened for everything else.
[[nodiscard]] Result<SecretBytes> unwrap(const SecretBytes& wrapping_key, ByteView wrapped);

// wrap_for wraps 1 to kMaxWrapped bytes for who has the private key: a fresh AES key encrypted by
// OAEP, as long as the modulus, and behind it the bytes wrapped under that. Errors: CryptoErrc
// out_of_range.
[[nodiscard]] Result<Bytes> wrap_for(const RsaPublicKey& recipient, OaepHash hash, ByteView key);
// unwrap_with gives what was wrapped for this key; the AES key within may have 16, 24 or 32 bytes.
// Errors: CryptoErrc not_opened.
[[nodiscard]] Result<SecretBytes> unwrap_with(const RsaPrivateKey& recipient, OaepHash hash,
                                              ByteView wrapped);

}  // namespace casemate::crypto
