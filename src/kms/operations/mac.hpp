// GenerateMac and VerifyMac (API_GenerateMac, API_VerifyMac).
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// generate_mac gives the HMAC of Message under a key of GENERATE_VERIFY_MAC. Errors: those of
// take_key; KmsErrc invalid_key_usage for an algorithm that is not the key's; dry_run.
[[nodiscard]] Result<Answer> generate_mac(Core& core, Call& call);

// verify_mac tells that Mac is the message's, whole; there is no other answer. Errors: as
// generate_mac; KmsErrc kms_invalid_mac.
[[nodiscard]] Result<Answer> verify_mac(Core& core, Call& call);

}  // namespace casemate::kms
