// Recipient (formats.md 8.1): the enclave that alone may read an answer.
#pragma once

#include <optional>
#include <string_view>

#include "attestation/document.hpp"
#include "crypto/rsa.hpp"
#include "kms/core/call.hpp"
#include "kms/core/core.hpp"
#include "kms/core/fields.hpp"

namespace casemate::kms {

struct Recipient {
    attestation::VerifiedDocument document;
    // key out of the document: RSA of 2048 to 4096 bits.
    crypto::RsaPublicKey key;
};

// read_recipient reads and verifies a request's Recipient, before anything is decrypted or made,
// and notes it for the audit log. Nothing where the request has none. Errors: KmsErrc validation
// for a document that does not verify, with the refusal's name, and for a key in it that is no RSA
// key of these sizes.
[[nodiscard]] Result<std::optional<Recipient>> read_recipient(Core& core, Call& call);

// document_of is for Asked::recipient.
[[nodiscard]] inline const attestation::VerifiedDocument* document_of(
    const std::optional<Recipient>& recipient) {
    return recipient ? &recipient->document : nullptr;
}

// put_secret adds the secret under its name ("Plaintext"), or, where there is a recipient,
// CiphertextForRecipient (formats.md 8.2) in its place. Errors: CryptoErrc.
[[nodiscard]] Result<> put_secret(Answer& answer, std::string_view name, ByteView secret,
                                  const std::optional<Recipient>& recipient);

}  // namespace casemate::kms
