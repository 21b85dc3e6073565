#include "kms/core/recipient.hpp"

#include "crypto/cms.hpp"

namespace casemate::kms {

namespace {

// RecipientInfo's AttestationDocument (formats.md 8.1).
constexpr Bounds kDocumentSize{1, 262'144};
constexpr std::string_view kAlgorithm = "RSAES_OAEP_SHA_256";

Error not_verified(Call& call, const Error& error) {
    call.notes.refusal = error.message();
    const auto code = error.code_as<attestation::AttestationErrc>();
    return {KmsErrc::validation,
            "The attestation document in the request is not valid: " +
                std::string(code ? attestation::describe(*code) : "it could not be verified")};
}

Error no_key(Call& call, const std::string& why) {
    call.notes.refusal = why;
    return {KmsErrc::validation,
            "The attestation document in the request has no RSA public key of 2048 to 4096 bits"};
}

// The names that CloudTrail has for it.
json::object note_of(const attestation::VerifiedDocument& document) {
    json::object note;
    note["attestationDocumentModuleId"] = document.contents().module_id;
    for (const auto& [index, value] : document.contents().pcrs) {
        if (index == 0) {
            note["attestationDocumentEnclaveImageDigest"] = to_hex(value);
        }
    }
    for (const auto& [index, value] : document.contents().pcrs) {
        note["attestationDocumentEnclavePCR" + std::to_string(index)] = to_hex(value);
    }
    note["isolation"] = attestation::name_of(document.isolation());
    note["debug"] = document.debug();
    return note;
}

}  // namespace

Result<std::optional<Recipient>> read_recipient(Core& core, Call& call) {
    CASEMATE_TRY(const std::optional<Fields> fields, Fields(call.input).object("Recipient"));
    if (!fields) {
        return std::optional<Recipient>();
    }
    CASEMATE_TRY(const std::string algorithm, fields->text("KeyEncryptionAlgorithm"));
    if (algorithm != kAlgorithm) {
        return Fields::not_in_set("KeyEncryptionAlgorithm", algorithm,
                                  "[" + std::string(kAlgorithm) + "]");
    }
    CASEMATE_TRY(const Bytes bytes, fields->blob("AttestationDocument", kDocumentSize));
    Result<attestation::VerifiedDocument> document = core.trust.verify(bytes, call.now);
    if (!document) {
        return not_verified(call, document.error());
    }
    call.notes.recipient = note_of(*document);
    if (!document->contents().public_key) {
        return no_key(call, "the document has no public key");
    }
    Result<crypto::RsaPublicKey> key =
        crypto::RsaPublicKey::from_spki(*document->contents().public_key);
    if (!key) {
        return no_key(call, key.error().message());
    }
    return std::optional<Recipient>(Recipient{std::move(*document), std::move(*key)});
}

Result<> put_secret(Answer& answer, std::string_view name, ByteView secret,
                    const std::optional<Recipient>& recipient) {
    if (!recipient) {
        put_blob(answer, name, secret);
        return {};
    }
    CASEMATE_TRY(const Bytes sealed, crypto::cms::seal_for(recipient->key, secret));
    put_blob(answer, "CiphertextForRecipient", sealed);
    return {};
}

}  // namespace casemate::kms
