#include "kms/operations/data_key_pairs.hpp"

#include <algorithm>
#include <array>

#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/material.hpp"
#include "kms/core/recipient.hpp"
#include "kms/operations/cipher.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kAlgorithm = "SYMMETRIC_DEFAULT";

// PairSpec: spec is nothing for those of AWS's that are not made here.
struct PairSpec {
    std::string_view name;
    std::optional<KeySpec> spec;
};
constexpr auto kPairSpecs = std::to_array<PairSpec>({
    {"RSA_2048", KeySpec::rsa_2048},
    {"RSA_3072", KeySpec::rsa_3072},
    {"RSA_4096", KeySpec::rsa_4096},
    {"ECC_NIST_P256", KeySpec::ecc_nist_p256},
    {"ECC_NIST_P384", KeySpec::ecc_nist_p384},
    {"ECC_NIST_P521", KeySpec::ecc_nist_p521},
    {"ECC_SECG_P256K1", std::nullopt},
    {"SM2", std::nullopt},
    {"ECC_NIST_EDWARDS25519", std::nullopt},
});
constexpr std::string_view kPairSpecNames =
    "[RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, "
    "SM2, ECC_NIST_EDWARDS25519]";

std::optional<PairSpec> parse_pair_spec(std::string_view text) {
    const auto* found = std::ranges::find(kPairSpecs, text, &PairSpec::name);
    return found == kPairSpecs.end() ? std::nullopt : std::optional(*found);
}

// Pair: what was made, and the answer as far as both operations have it alike.
struct Pair {
    NewSecret made;
    Answer answer;
};

Result<Pair> make_pair(Core& core, Call& call, const std::optional<Recipient>& recipient) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PairSpec pair,
                 fields.choice<PairSpec>("KeyPairSpec", parse_pair_spec, kPairSpecNames));
    CASEMATE_TRY(const std::optional<EncryptionContext> context, read_context(fields));
    call.notes.parameters.emplace_back("KeyPairSpec", pair.name);
    Asked asked;
    asked.encryption_context = context ? &*context : nullptr;
    asked.conditions = {{"kms:DataKeyPairSpec", std::string(pair.name)},
                        {"kms:EncryptionAlgorithm", std::string(kAlgorithm)}};
    asked.recipient = document_of(recipient);
    CASEMATE_TRY(const NamedKey named,
                 take_key(core, call, fields, KeyUsage::encrypt_decrypt, std::move(asked)));
    const Key& key = named.key();
    CASEMATE_CHECK(check_algorithm(key, kAlgorithm));
    if (!pair.spec) {
        return Error(KmsErrc::unsupported_operation,
                     "KeyPairSpec " + std::string(pair.name) + " is not supported");
    }
    CASEMATE_CHECK(stop_if_dry_run(fields));
    CASEMATE_TRY(NewSecret made, generate_secret(*pair.spec));
    CASEMATE_TRY(const Sealed sealed,
                 seal_under(core, key, context.value_or(EncryptionContext()), made.secret.view()));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    put_blob(answer, "PrivateKeyCiphertextBlob", sealed.blob);
    put_blob(answer, "PublicKey", made.public_key);
    answer["KeyPairSpec"] = pair.name;
    answer["KeyMaterialId"] = sealed.material_id;
    return Pair{std::move(made), std::move(answer)};
}

}  // namespace

Result<Answer> generate_data_key_pair(Core& core, Call& call) {
    CASEMATE_TRY(const std::optional<Recipient> recipient, read_recipient(core, call));
    CASEMATE_TRY(Pair pair, make_pair(core, call, recipient));
    CASEMATE_CHECK(
        put_secret(pair.answer, "PrivateKeyPlaintext", pair.made.secret.view(), recipient));
    return std::move(pair.answer);
}

Result<Answer> generate_data_key_pair_without_plaintext(Core& core, Call& call) {
    CASEMATE_TRY(Pair pair, make_pair(core, call, std::nullopt));
    return std::move(pair.answer);
}

}  // namespace casemate::kms
