// GetPublicKey (API_GetPublicKey).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// get_public_key gives an asymmetric key's public part, DER SubjectPublicKeyInfo, and what it is
// for. Errors: those of take_key but for the usage; KmsErrc unsupported_operation for a key that
// has no public part.
[[nodiscard]] Result<Answer> get_public_key(Core& core, Call& call);

}  // namespace casemate::kms
