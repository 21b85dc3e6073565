#include "kms/core/algorithms.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace casemate::kms {

namespace {

using crypto::RsaHash;
using crypto::RsaScheme;
using Names = std::span<const std::string_view>;

constexpr auto kSymmetric = std::to_array<std::string_view>({"SYMMETRIC_DEFAULT"});
constexpr auto kRsaEncryption =
    std::to_array<std::string_view>({"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"});
constexpr auto kRsaSigning = std::to_array<std::string_view>(
    {"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
     "RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"});
constexpr auto kEcdsaP256 = std::to_array<std::string_view>({"ECDSA_SHA_256"});
constexpr auto kEcdsaP384 = std::to_array<std::string_view>({"ECDSA_SHA_384"});
constexpr auto kEcdsaP521 = std::to_array<std::string_view>({"ECDSA_SHA_512"});
constexpr auto kAgreement = std::to_array<std::string_view>({"ECDH"});
constexpr auto kHmac256 = std::to_array<std::string_view>({"HMAC_SHA_256"});
constexpr auto kHmac384 = std::to_array<std::string_view>({"HMAC_SHA_384"});
constexpr auto kHmac512 = std::to_array<std::string_view>({"HMAC_SHA_512"});

// Abilities: the algorithms of a spec by the usage of the key.
struct Abilities {
    KeySpec spec;
    Names encryption;
    Names signing;
    Names mac;
    Names agreement;
};

constexpr auto kAbilities = std::to_array<Abilities>({
    {KeySpec::symmetric_default, kSymmetric, {}, {}, {}},
    {KeySpec::rsa_2048, kRsaEncryption, kRsaSigning, {}, {}},
    {KeySpec::rsa_3072, kRsaEncryption, kRsaSigning, {}, {}},
    {KeySpec::rsa_4096, kRsaEncryption, kRsaSigning, {}, {}},
    {KeySpec::ecc_nist_p256, {}, kEcdsaP256, {}, kAgreement},
    {KeySpec::ecc_nist_p384, {}, kEcdsaP384, {}, kAgreement},
    {KeySpec::ecc_nist_p521, {}, kEcdsaP521, {}, kAgreement},
    {KeySpec::hmac_256, {}, {}, kHmac256, {}},
    {KeySpec::hmac_384, {}, {}, kHmac384, {}},
    {KeySpec::hmac_512, {}, {}, kHmac512, {}},
});

constexpr auto kSigning = std::to_array<SigningAlgorithm>({
    {"RSASSA_PSS_SHA_256", RsaHash::sha256, RsaScheme::pss},
    {"RSASSA_PSS_SHA_384", RsaHash::sha384, RsaScheme::pss},
    {"RSASSA_PSS_SHA_512", RsaHash::sha512, RsaScheme::pss},
    {"RSASSA_PKCS1_V1_5_SHA_256", RsaHash::sha256, RsaScheme::pkcs1_v15},
    {"RSASSA_PKCS1_V1_5_SHA_384", RsaHash::sha384, RsaScheme::pkcs1_v15},
    {"RSASSA_PKCS1_V1_5_SHA_512", RsaHash::sha512, RsaScheme::pkcs1_v15},
    {"ECDSA_SHA_256", RsaHash::sha256, {}},
    {"ECDSA_SHA_384", RsaHash::sha384, {}},
    {"ECDSA_SHA_512", RsaHash::sha512, {}},
    {"SM2DSA", {}, {}},
    {"ML_DSA_SHAKE_256", {}, {}},
    {"ED25519_SHA_512", {}, {}},
    {"ED25519_PH_SHA_512", {}, {}},
});

constexpr auto kMacs = std::to_array<MacName>(
    {{"HMAC_SHA_224"}, {"HMAC_SHA_256"}, {"HMAC_SHA_384"}, {"HMAC_SHA_512"}});

template <class T, std::size_t N>
std::optional<T> find(const std::array<T, N>& table, std::string_view text) {
    const auto* found = std::ranges::find(table, text, &T::name);
    return found == table.end() ? std::nullopt : std::optional<T>(*found);
}

}  // namespace

AlgorithmList algorithms_of(KeySpec spec, KeyUsage usage) {
    const auto* found = std::ranges::find(kAbilities, spec, &Abilities::spec);
    const Abilities abilities = found == kAbilities.end() ? Abilities{} : *found;
    switch (usage) {
        case KeyUsage::encrypt_decrypt:
            return {"EncryptionAlgorithms", abilities.encryption};
        case KeyUsage::sign_verify:
            return {"SigningAlgorithms", abilities.signing};
        case KeyUsage::generate_verify_mac:
            return {"MacAlgorithms", abilities.mac};
        case KeyUsage::key_agreement:
            return {"KeyAgreementAlgorithms", abilities.agreement};
    }
    return {};
}

void put_algorithms(Answer& answer, const Key& key) {
    const AlgorithmList list = algorithms_of(key.spec, key.usage);
    json::array names(answer.storage());
    names.reserve(list.names.size());
    for (const std::string_view name : list.names) {
        names.emplace_back(name);
    }
    answer.insert_or_assign(list.member, std::move(names));
}

Result<> check_algorithm(const Key& key, std::string_view name) {
    const AlgorithmList list = algorithms_of(key.spec, key.usage);
    if (std::ranges::find(list.names, name) == list.names.end()) {
        return Error(KmsErrc::invalid_key_usage, "Algorithm " + std::string(name) +
                                                     " is incompatible with key spec " +
                                                     std::string(name_of(key.spec)) + ".");
    }
    return {};
}

std::optional<SigningAlgorithm> parse_signing_algorithm(std::string_view text) {
    return find(kSigning, text);
}

std::optional<MacName> parse_mac_algorithm(std::string_view text) {
    return find(kMacs, text);
}

}  // namespace casemate::kms
