// The algorithms of AWS's key management: which there are, and which a key's spec and usage allow.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "crypto/mac.hpp"
#include "crypto/rsa.hpp"
#include "kms/core/json.hpp"
#include "kms/model.hpp"

namespace casemate::kms {

// AlgorithmList: what a key can do, under the name that KeyMetadata and GetPublicKey have for it
// ("SigningAlgorithms"). names is empty where the spec has no such usage: an HMAC key does not
// sign. Both live as long as the program.
struct AlgorithmList {
    std::string_view member;
    std::span<const std::string_view> names;
};
[[nodiscard]] AlgorithmList algorithms_of(KeySpec spec, KeyUsage usage);

// allows tells whether a key of this spec can have this usage.
[[nodiscard]] inline bool allows(KeySpec spec, KeyUsage usage) {
    return !algorithms_of(spec, usage).names.empty();
}

// put_algorithms adds the list of a key's algorithms.
void put_algorithms(Answer& answer, const Key& key);

// check_algorithm: KmsErrc invalid_key_usage, with AWS's sentence, for an algorithm that is not
// among the key's.
[[nodiscard]] Result<> check_algorithm(const Key& key, std::string_view name);

// SigningAlgorithm: one of AWS's. Those that no key here can have (SM2DSA) are known too: AWS tells
// them from mistyped ones.
struct SigningAlgorithm {
    std::string_view name;
    // hash and scheme; the scheme is of use for RSA's alone.
    crypto::RsaHash hash = crypto::RsaHash::sha256;
    crypto::RsaScheme scheme = crypto::RsaScheme::pss;
};
[[nodiscard]] std::optional<SigningAlgorithm> parse_signing_algorithm(std::string_view text);
// kSigningAlgorithms and kMacAlgorithms are how AWS lists them in the sentence about an unknown
// one.
inline constexpr std::string_view kSigningAlgorithms =
    "[RSASSA_PSS_SHA_256, RSASSA_PSS_SHA_384, RSASSA_PSS_SHA_512, RSASSA_PKCS1_V1_5_SHA_256, "
    "RSASSA_PKCS1_V1_5_SHA_384, RSASSA_PKCS1_V1_5_SHA_512, ECDSA_SHA_256, ECDSA_SHA_384, "
    "ECDSA_SHA_512, SM2DSA, ML_DSA_SHAKE_256, ED25519_SHA_512, ED25519_PH_SHA_512]";

// MacName: an algorithm of HMAC keys by its name; HMAC_SHA_224 is known, and no key's.
struct MacName {
    std::string_view name;
};
[[nodiscard]] std::optional<MacName> parse_mac_algorithm(std::string_view text);
inline constexpr std::string_view kMacAlgorithms =
    "[HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]";

}  // namespace casemate::kms
