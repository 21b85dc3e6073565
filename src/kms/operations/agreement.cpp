#include "kms/operations/agreement.hpp"

#include "crypto/agreement.hpp"
#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/recipient.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kPublicKey{1, 8192};

std::optional<std::string_view> parse_agreement(std::string_view text) {
    constexpr std::string_view kEcdh = "ECDH";
    return text == kEcdh ? std::optional(kEcdh) : std::nullopt;
}

// agree_with gives the secret; what is wrong with the other side's key is not told, as AWS does.
Result<SecretBytes> agree_with(const crypto::PrivateKey& mine, ByteView peer) {
    auto secret = crypto::agree(mine, peer);
    if (!secret && (secret.error().is(crypto::CryptoErrc::bad_encoding) ||
                    secret.error().is(crypto::CryptoErrc::out_of_range))) {
        return Error(KmsErrc::validation, "");
    }
    return secret;
}

}  // namespace

Result<Answer> derive_shared_secret(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(
        const std::string_view algorithm,
        fields.choice<std::string_view>("KeyAgreementAlgorithm", parse_agreement, "[ECDH]"));
    CASEMATE_TRY(const Bytes peer, fields.blob("PublicKey", kPublicKey));
    call.notes.parameters.emplace_back("KeyAgreementAlgorithm", algorithm);
    CASEMATE_TRY(const std::optional<Recipient> recipient, read_recipient(core, call));
    Asked asked;
    asked.conditions = {{"kms:KeyAgreementAlgorithm", std::string(algorithm)}};
    asked.recipient = document_of(recipient);
    CASEMATE_TRY(const NamedKey named,
                 take_key(core, call, fields, KeyUsage::key_agreement, std::move(asked)));
    const Key& key = named.key();
    CASEMATE_CHECK(check_algorithm(key, algorithm));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    CASEMATE_TRY(const SecretBytes secret, agree_with(material->curve_key(), peer));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    CASEMATE_CHECK(put_secret(answer, "SharedSecret", secret.view(), recipient));
    answer["KeyAgreementAlgorithm"] = algorithm;
    answer["KeyOrigin"] = name_of(key.origin);
    return answer;
}

}  // namespace casemate::kms
