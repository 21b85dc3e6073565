// Key material: made, wrapped for the store, and opened for use.
#pragma once

#include <variant>

#include "base/secret.hpp"
#include "crypto/key.hpp"
#include "crypto/mac.hpp"
#include "crypto/rsa.hpp"
#include "kms/model.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// OpenedMaterial: a secret ready for use. Shared by all threads, never changed.
struct OpenedMaterial {
    // SecretBytes for SYMMETRIC_DEFAULT (32 bytes) and HMAC keys.
    std::variant<SecretBytes, crypto::PrivateKey, crypto::RsaPrivateKey> secret;

    // The alternatives; to be asked for only where the key's spec says so.
    [[nodiscard]] const SecretBytes& bytes() const { return *std::get_if<SecretBytes>(&secret); }
    [[nodiscard]] const crypto::PrivateKey& curve_key() const {
        return *std::get_if<crypto::PrivateKey>(&secret);
    }
    [[nodiscard]] const crypto::RsaPrivateKey& rsa_key() const {
        return *std::get_if<crypto::RsaPrivateKey>(&secret);
    }
};

// is_rsa, is_curve and is_hmac tell a spec's kind; curve_of and mac_of what it is.
[[nodiscard]] bool is_rsa(KeySpec spec);
[[nodiscard]] bool is_curve(KeySpec spec);
[[nodiscard]] bool is_hmac(KeySpec spec);
// Curve::other for a spec that is on none.
[[nodiscard]] crypto::Curve curve_of(KeySpec spec);
// The one algorithm of an HMAC key; hmac_sha256 for other specs.
[[nodiscard]] crypto::MacAlgorithm mac_of(KeySpec spec);
// rsa_bits is the size of an RSA key's modulus; 0 for other specs.
[[nodiscard]] std::size_t rsa_bits(KeySpec spec);
// secret_size is the size of symmetric material in bytes: 32, 48 or 64; 0 for asymmetric specs.
[[nodiscard]] std::size_t secret_size(KeySpec spec);

// NewSecret: the secret of a spec, as it is wrapped: bytes, or PKCS #8 DER; and the public part,
// DER SubjectPublicKeyInfo, empty for symmetric specs.
struct NewSecret {
    SecretBytes secret;
    Bytes public_key;
};

// generate_secret makes one; an RSA key takes up to seconds. Errors: CryptoErrc.
[[nodiscard]] Result<NewSecret> generate_secret(KeySpec spec);

// check_secret takes imported material apart: it must be of the spec. Errors: KmsErrc validation.
[[nodiscard]] Result<NewSecret> check_secret(KeySpec spec, SecretBytes secret);

// wrap_material makes what the store keeps. sequence counts from 1; rotation is "", "AUTOMATIC" or
// "ON_DEMAND". Errors: VaultErrc.
[[nodiscard]] Result<Material> wrap_material(const Vault& vault, std::string_view key_id,
                                             const NewSecret& made, std::uint32_t sequence,
                                             std::string_view rotation, Time now);

// open_material opens what the store keeps. Errors: VaultErrc, CryptoErrc.
[[nodiscard]] Result<OpenedMaterial> open_material(const Vault& vault, KeySpec spec,
                                                   const Material& material);

}  // namespace casemate::kms
