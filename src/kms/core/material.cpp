#include "kms/core/material.hpp"

#include "crypto/random.hpp"
#include "kms/core/names.hpp"
#include "kms/error.hpp"

namespace casemate::kms {

namespace {

Error wrong_material() {
    return {KmsErrc::validation,
            "expected key material of the key's spec, found bytes that are none"};
}

Result<NewSecret> generate_rsa(std::size_t bits) {
    CASEMATE_TRY(const crypto::RsaPrivateKey key, crypto::RsaPrivateKey::generate(bits));
    return NewSecret{key.to_pkcs8(), key.public_key().spki()};
}

Result<NewSecret> generate_on(crypto::Curve curve) {
    CASEMATE_TRY(const crypto::PrivateKey key, crypto::PrivateKey::generate(curve));
    CASEMATE_TRY(SecretBytes pkcs8, key.to_pkcs8());
    return NewSecret{std::move(pkcs8), key.public_key().spki()};
}

}  // namespace

bool is_rsa(KeySpec spec) {
    return rsa_bits(spec) != 0;
}

bool is_curve(KeySpec spec) {
    return curve_of(spec) != crypto::Curve::other;
}

bool is_hmac(KeySpec spec) {
    return spec == KeySpec::hmac_256 || spec == KeySpec::hmac_384 || spec == KeySpec::hmac_512;
}

crypto::Curve curve_of(KeySpec spec) {
    switch (spec) {
        case KeySpec::ecc_nist_p256:
            return crypto::Curve::p256;
        case KeySpec::ecc_nist_p384:
            return crypto::Curve::p384;
        case KeySpec::ecc_nist_p521:
            return crypto::Curve::p521;
        default:
            return crypto::Curve::other;
    }
}

crypto::MacAlgorithm mac_of(KeySpec spec) {
    switch (spec) {
        case KeySpec::hmac_384:
            return crypto::MacAlgorithm::hmac_sha384;
        case KeySpec::hmac_512:
            return crypto::MacAlgorithm::hmac_sha512;
        default:
            return crypto::MacAlgorithm::hmac_sha256;
    }
}

std::size_t rsa_bits(KeySpec spec) {
    switch (spec) {
        case KeySpec::rsa_2048:
            return 2048;
        case KeySpec::rsa_3072:
            return 3072;
        case KeySpec::rsa_4096:
            return 4096;
        default:
            return 0;
    }
}

std::size_t secret_size(KeySpec spec) {
    switch (spec) {
        case KeySpec::symmetric_default:
        case KeySpec::hmac_256:
            return 32;
        case KeySpec::hmac_384:
            return 48;
        case KeySpec::hmac_512:
            return 64;
        default:
            return 0;
    }
}

Result<NewSecret> generate_secret(KeySpec spec) {
    if (is_rsa(spec)) {
        return generate_rsa(rsa_bits(spec));
    }
    if (is_curve(spec)) {
        return generate_on(curve_of(spec));
    }
    return NewSecret{crypto::random_secret(secret_size(spec)), {}};
}

Result<NewSecret> check_secret(KeySpec spec, SecretBytes secret) {
    if (is_rsa(spec)) {
        const auto key = crypto::RsaPrivateKey::from_pkcs8(secret.view());
        if (!key || key->public_key().bits() != rsa_bits(spec)) {
            return wrong_material();
        }
        return NewSecret{std::move(secret), key->public_key().spki()};
    }
    if (is_curve(spec)) {
        const auto key = crypto::PrivateKey::from_pkcs8(secret.view());
        if (!key || key->public_key().curve() != curve_of(spec)) {
            return wrong_material();
        }
        return NewSecret{std::move(secret), key->public_key().spki()};
    }
    if (secret.size() != secret_size(spec)) {
        return wrong_material();
    }
    return NewSecret{std::move(secret), {}};
}

Result<Material> wrap_material(const Vault& vault, std::string_view key_id, const NewSecret& made,
                               std::uint32_t sequence, std::string_view rotation, Time now) {
    Material material;
    material.key_id = key_id;
    material.id = new_hex_id();
    material.sequence = sequence;
    material.created = now;
    material.public_key = made.public_key;
    material.rotation = rotation;
    CASEMATE_TRY(material.wrapped,
                 vault.wrap(made.secret.view(), material_binding(key_id, material.id)));
    return material;
}

Result<OpenedMaterial> open_material(const Vault& vault, KeySpec spec, const Material& material) {
    CASEMATE_TRY(SecretBytes secret,
                 vault.unwrap(material.wrapped, material_binding(material.key_id, material.id)));
    if (is_rsa(spec)) {
        CASEMATE_TRY(crypto::RsaPrivateKey key, crypto::RsaPrivateKey::from_pkcs8(secret.view()));
        return OpenedMaterial{std::move(key)};
    }
    if (is_curve(spec)) {
        CASEMATE_TRY(crypto::PrivateKey key, crypto::PrivateKey::from_pkcs8(secret.view()));
        return OpenedMaterial{std::move(key)};
    }
    if (secret.size() != secret_size(spec)) {
        return Error(VaultErrc::damaged, "expected material of " +
                                             std::to_string(secret_size(spec)) + " bytes, found " +
                                             std::to_string(secret.size()));
    }
    return OpenedMaterial{std::move(secret)};
}

}  // namespace casemate::kms
