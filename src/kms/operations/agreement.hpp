// DeriveSharedSecret (API_DeriveSharedSecret).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// derive_shared_secret gives what a key of KEY_AGREEMENT and the other side's PublicKey agree on,
// raw, to the caller or to the Recipient alone. Errors: those of take_key and read_recipient;
// KmsErrc validation for what is no public key on the key's curve; dry_run; CryptoErrc.
[[nodiscard]] Result<Answer> derive_shared_secret(Core& core, Call& call);

}  // namespace casemate::kms
