// CMS EnvelopedData (RFC 5652 6) as KMS answers an enclave: CiphertextForRecipient
// (formats.md 8.2).
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"
#include "crypto/rsa.hpp"

namespace casemate::crypto::cms {

// kMaxPlaintext: the longest content that is sealed, in bytes; a key or a secret of KMS is far
// below it. kMaxEnvelope: the longest envelope that is read.
inline constexpr std::size_t kMaxPlaintext = 64UL * 1024;
inline constexpr std::size_t kMaxEnvelope = 128UL * 1024;

// kMaxPrimitive: a ciphertext of up to so many bytes is one primitive [0], as KMS's own newer
// answers have it. A longer one is a constructed [0] of OCTET STRINGs of so many bytes, the last
// one shorter: the form of AWS's older answers, and what the library that makes them does with long
// octet strings in BER. AWS's SDK reads both.
inline constexpr std::size_t kMaxPrimitive = 1000;

// Envelope: the parts of an EnvelopedData of one key transport recipient, who is named by a key
// identifier: RSAES-OAEP with SHA-256 throughout, AES-256-CBC.
struct Envelope {
    Bytes recipient_id;
    // encrypted_key: the content key for the recipient, as long as its modulus.
    Bytes encrypted_key;
    std::array<std::uint8_t, 16> iv{};
    // ciphertext: whole blocks of 16 bytes, at least one.
    Bytes ciphertext;

    bool operator==(const Envelope&) const = default;
};

// write encodes an envelope in KMS's form: BER with SEQUENCEs of indefinite length outside
// (formats.md 8.2).
[[nodiscard]] Bytes write(const Envelope& envelope);

// read decodes an envelope with nothing after it, in KMS's two forms, in DER, and in what lies
// between: each constructed element down to the encrypted content may have either kind of length.
// Definite lengths are in their shortest form. Versions and algorithms are exactly write's, but
// that SHA-256 may come without its NULL parameters; the recipient's identifier has 1 to 64 bytes,
// the encrypted key 256 to 512. Errors: CryptoErrc bad_encoding.
[[nodiscard]] Result<Envelope> read(ByteView ber);

// seal_for makes an envelope that only the recipient's private key opens, with a fresh content key
// and IV. The recipient's identifier is SHA-256 of its SubjectPublicKeyInfo. Nothing in an envelope
// says who made it: who opens it must have it from a channel that does. Errors: CryptoErrc
// out_of_range for more than kMaxPlaintext bytes.
[[nodiscard]] Result<Bytes> seal_for(const RsaPublicKey& recipient, ByteView plaintext);

// open_with opens an envelope, whatever its recipient is called. Errors: CryptoErrc bad_encoding as
// read; not_opened when it was made for another key or changed, as far as CBC shows that.
[[nodiscard]] Result<SecretBytes> open_with(const RsaPrivateKey& recipient, ByteView ber);

}  // namespace casemate::crypto::cms
