// CiphertextBlob of symmetric keys: our own format, for nobody but the service opens it.
//
// | offset | bytes | what |
// | ---: | ---: | --- |
// | 0 | 4 | "CKC1": the format and its version |
// | 4 | 16 | the key's id, a UUID's bytes |
// | 20 | 32 | the id of the material that encrypted |
// | 52 | 32 | salt, random |
// | 84 | 12 | nonce, random |
// | 96 | n | ciphertext of n bytes of plaintext, 1 to 4096 |
// | 96 + n | 16 | tag |
//
// Each message has a key of its own, HKDF-SHA256(material, salt, "casemate-kms ciphertext"), under
// which AES-256-GCM encrypts it and nothing else: no material has a number of messages after which
// it must be changed (SP 800-38D 8.3). Associated data: the 96 bytes before the ciphertext, then of
// each pair of the encryption context, in the order of the keys' bytes, the key's length in 4 bytes
// (big-endian), the key, the value's length, the value. An empty context is no context.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "crypto/aead.hpp"
#include "kms/core/call.hpp"
#include "kms/error.hpp"

namespace casemate::kms {

inline constexpr std::size_t kCiphertextHeader = 96;
// kMaxCiphertextPlaintext: the longest plaintext, in bytes.
inline constexpr std::size_t kMaxCiphertextPlaintext = 4096;
// kMaxCiphertextBlob: the longest blob that AWS's requests take.
inline constexpr std::size_t kMaxCiphertextBlob = 6144;

// Ciphertext: a blob taken apart. What it says of itself is not known to be true before it has been
// opened.
struct Ciphertext {
    std::string key_id;
    // material_id: 64 hexadecimal digits.
    std::string material_id;
    crypto::AeadNonce nonce{};
    // Views into the blob: all before the ciphertext, the salt in it, ciphertext and tag.
    ByteView header;
    ByteView salt;
    ByteView sealed;
};

// read_ciphertext takes a blob of this format and version apart, which it views. Errors: KmsErrc
// invalid_ciphertext, without a sentence, as AWS.
[[nodiscard]] Result<Ciphertext> read_ciphertext(ByteView blob);

// open_ciphertext opens it. Errors: KmsErrc invalid_ciphertext for another material or context and
// for any byte that is not the one that was sealed: the same, whatever it is.
[[nodiscard]] Result<SecretBytes> open_ciphertext(const Ciphertext& ciphertext,
                                                  const SecretBytes& material,
                                                  const EncryptionContext& context);

// seal_ciphertext makes a blob. key_id is a UUID in small letters, material_id 64 hexadecimal
// digits, material 32 bytes, plaintext 1 to kMaxCiphertextPlaintext. Errors: KmsErrc internal for
// others.
[[nodiscard]] Result<Bytes> seal_ciphertext(std::string_view key_id, std::string_view material_id,
                                            const SecretBytes& material,
                                            const EncryptionContext& context, ByteView plaintext);

}  // namespace casemate::kms
