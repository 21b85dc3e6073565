#include "kms/operations/signing.hpp"

#include <algorithm>
#include <array>

#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kSignature{1, 6144};

// MessageType: EXTERNAL_MU is known, and goes with no key that is made here.
struct MessageType {
    std::string_view name;
};
constexpr auto kMessageTypes = std::to_array<MessageType>({{"RAW"}, {"DIGEST"}, {"EXTERNAL_MU"}});
constexpr MessageType kRaw = kMessageTypes[0];
constexpr MessageType kExternalMu = kMessageTypes[2];

std::optional<MessageType> parse_message_type(std::string_view text) {
    const auto* found = std::ranges::find(kMessageTypes, text, &MessageType::name);
    return found == kMessageTypes.end() ? std::nullopt : std::optional(*found);
}

// Signing: what Sign and Verify have in common, checked.
struct Signing {
    NamedKey key;
    SigningAlgorithm algorithm;
    // raw: message is to be hashed; otherwise it is a digest of the algorithm's size.
    bool raw = true;
    SecretBytes message;
};

Result<> check_message(const Key& key, const SigningAlgorithm& algorithm, MessageType type,
                       ByteView message) {
    if (type.name == kExternalMu.name) {
        return Error(KmsErrc::validation,
                     "Message type EXTERNAL_MU is incompatible with key spec " +
                         std::string(name_of(key.spec)) + ".");
    }
    if (type.name != kRaw.name && message.size() != crypto::digest_size(algorithm.hash)) {
        return Error(KmsErrc::validation,
                     "Digest is invalid length for algorithm " + std::string(algorithm.name) + ".");
    }
    return {};
}

Result<Signing> begin(Core& core, Call& call, const Fields& fields) {
    CASEMATE_TRY(SecretBytes message, fields.secret_blob("Message", {1, kMaxMessage}));
    CASEMATE_TRY(const std::optional<MessageType> given,
                 fields.optional_choice<MessageType>("MessageType", parse_message_type,
                                                     "[RAW, DIGEST, EXTERNAL_MU]"));
    CASEMATE_TRY(const SigningAlgorithm algorithm,
                 fields.choice<SigningAlgorithm>("SigningAlgorithm", parse_signing_algorithm,
                                                 kSigningAlgorithms));
    const MessageType type = given.value_or(kRaw);
    call.notes.parameters.emplace_back("SigningAlgorithm", algorithm.name);
    call.notes.parameters.emplace_back("MessageType", type.name);
    Asked asked;
    asked.conditions.reserve(2);
    asked.conditions.emplace_back("kms:SigningAlgorithm", algorithm.name);
    asked.conditions.emplace_back("kms:MessageType", type.name);
    CASEMATE_TRY(NamedKey key,
                 take_key(core, call, fields, KeyUsage::sign_verify, std::move(asked)));
    CASEMATE_CHECK(check_algorithm(key.key(), algorithm.name));
    CASEMATE_CHECK(check_message(key.key(), algorithm, type, message.view()));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    return Signing{std::move(key), algorithm, type.name == kRaw.name, std::move(message)};
}

Result<Bytes> sign_with(const OpenedMaterial& material, const Signing& signing) {
    const ByteView message = signing.message.view();
    if (is_rsa(signing.key.key().spec)) {
        const crypto::RsaPrivateKey& key = material.rsa_key();
        const SigningAlgorithm& how = signing.algorithm;
        return signing.raw ? key.sign(how.scheme, how.hash, message)
                           : key.sign_digest(how.scheme, how.hash, message);
    }
    const crypto::PrivateKey& key = material.curve_key();
    return signing.raw ? key.sign_der(message) : key.sign_digest_der(message);
}

bool verify_with(const OpenedMaterial& material, const Signing& signing, ByteView signature) {
    const ByteView message = signing.message.view();
    if (is_rsa(signing.key.key().spec)) {
        const crypto::RsaPublicKey& key = material.rsa_key().public_key();
        const SigningAlgorithm& how = signing.algorithm;
        return signing.raw ? key.verifies(how.scheme, how.hash, message, signature)
                           : key.verifies_digest(how.scheme, how.hash, message, signature);
    }
    const crypto::PublicKey& key = material.curve_key().public_key();
    return signing.raw ? key.verifies_der(message, signature)
                       : key.verifies_digest_der(message, signature);
}

}  // namespace

Result<Answer> sign(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Signing signing, begin(core, call, fields));
    CASEMATE_TRY(const auto material, core.keyring.current(signing.key.key()));
    CASEMATE_TRY(const Bytes signature, sign_with(*material, signing));
    Answer answer = call.answer();
    answer["KeyId"] = signing.key.key().arn;
    put_blob(answer, "Signature", signature);
    answer["SigningAlgorithm"] = signing.algorithm.name;
    return answer;
}

Result<Answer> verify(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Bytes signature, fields.blob("Signature", kSignature));
    CASEMATE_TRY(const Signing signing, begin(core, call, fields));
    CASEMATE_TRY(const auto material, core.keyring.current(signing.key.key()));
    if (!verify_with(*material, signing, signature)) {
        return Error(KmsErrc::kms_invalid_signature, "");
    }
    Answer answer = call.answer();
    answer["KeyId"] = signing.key.key().arn;
    answer["SignatureValid"] = true;
    answer["SigningAlgorithm"] = signing.algorithm.name;
    return answer;
}

}  // namespace casemate::kms
