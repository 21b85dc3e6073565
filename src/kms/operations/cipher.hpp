// Encrypt, Decrypt, ReEncrypt; and encryption under a key for the operations that make data keys.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"
#include "kms/core/fields.hpp"
#include "kms/operations/ciphertext.hpp"

namespace casemate::kms {

// EncryptionAlgorithm: AWS's; sm2pke is known, and no key's.
enum class EncryptionAlgorithm : std::uint8_t {
    symmetric_default,
    rsaes_oaep_sha_1,
    rsaes_oaep_sha_256,
    sm2pke,
};
[[nodiscard]] std::string_view name_of(EncryptionAlgorithm algorithm);
[[nodiscard]] std::optional<EncryptionAlgorithm> parse_encryption_algorithm(std::string_view text);
inline constexpr std::string_view kEncryptionAlgorithms =
    "[SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]";

// kEncryptionAlgorithmKey is the condition key that has its name.
inline constexpr std::string_view kEncryptionAlgorithmKey = "kms:EncryptionAlgorithm";

// Sealed: a CiphertextBlob, and the material that made it.
struct Sealed {
    Bytes blob;
    std::string material_id;
};
// seal_under encrypts under a SYMMETRIC_DEFAULT key's current material, after all checks. Errors:
// those of Keyring::current; KmsErrc internal for a plaintext of another size than 1 to 4096.
[[nodiscard]] Result<Sealed> seal_under(Core& core, const Key& key,
                                        const EncryptionContext& context, ByteView plaintext);

[[nodiscard]] Result<Answer> encrypt(Core& core, Call& call);
[[nodiscard]] Result<Answer> decrypt(Core& core, Call& call);
[[nodiscard]] Result<Answer> re_encrypt(Core& core, Call& call);

}  // namespace casemate::kms
