// What a policy asks of a document that is genuine, one check for each line of the list.
#pragma once

#include "attestation/checklist.hpp"
#include "attestation/policy.hpp"

namespace casemate::attestation {

// check_policy: the policy's own time is one. Errors: bad_expectation.
[[nodiscard]] Result<Finding> check_policy(const Policy& policy);
// Errors: from_the_future.
[[nodiscard]] Result<Finding> check_not_future(const Contents& contents, const Policy& policy);
// Errors: too_old.
[[nodiscard]] Result<Finding> check_age(const Contents& contents, const Policy& policy);
// Errors: nonce_mismatch.
[[nodiscard]] Result<Finding> check_nonce(const Contents& contents, const Policy& policy);
// Errors: debug_refused.
[[nodiscard]] Result<Finding> check_debug(const Contents& contents, bool certified_debug,
                                          const Policy& policy);
// Errors: isolation_refused.
[[nodiscard]] Result<Finding> check_isolation(Isolation isolation, const Policy& policy);
// Errors: pcr_missing, pcr_mismatch.
[[nodiscard]] Result<Finding> check_pcrs(const Contents& contents, const Policy& policy);

// is_debug tells whether an enclave's console can be read from outside: its certificates say so, or
// PCR0 is zero. A document that does not say what PCR0 is might hide just that, so it counts too.
[[nodiscard]] bool is_debug(const Contents& contents, bool certified_debug);

}  // namespace casemate::attestation
