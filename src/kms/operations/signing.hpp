// Sign and Verify (API_Sign, API_Verify).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// sign signs Message, or the digest in it, by a key of SIGN_VERIFY; ECDSA signatures are DER (RFC
// 3279 2.2.3). Errors: those of take_key; KmsErrc invalid_key_usage for an algorithm that the key
// has not; validation for a digest of another size than the algorithm's; dry_run; CryptoErrc.
[[nodiscard]] Result<Answer> sign(Core& core, Call& call);

// verify tells that Signature is the key's; there is no other answer. Errors: as sign; KmsErrc
// kms_invalid_signature.
[[nodiscard]] Result<Answer> verify(Core& core, Call& call);

}  // namespace casemate::kms
