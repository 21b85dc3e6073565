// GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext (API_GenerateDataKeyPair, …).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// generate_data_key_pair makes a key pair for use elsewhere: the public key (DER
// SubjectPublicKeyInfo), the private key (PKCS #8 DER), in the open or for the Recipient alone, and
// the private key as Encrypt would encrypt it under a SYMMETRIC_DEFAULT key. Errors: those of
// take_key, read_context and read_recipient; KmsErrc unsupported_operation for a KeyPairSpec of
// AWS's that is not made here; invalid_key_usage for a key that is not symmetric; dry_run;
// CryptoErrc.
[[nodiscard]] Result<Answer> generate_data_key_pair(Core& core, Call& call);

// The same with the encrypted private key alone, and without a Recipient.
[[nodiscard]] Result<Answer> generate_data_key_pair_without_plaintext(Core& core, Call& call);

}  // namespace casemate::kms
