// Key policies: GetKeyPolicy, PutKeyPolicy, ListKeyPolicies.
#pragma once

#include "kms/core/access.hpp"
#include "kms/core/fields.hpp"

namespace casemate::kms {

// NewPolicy: the key policy in a request; text is empty where there is none.
struct NewPolicy {
    std::string text;
    std::optional<policy::Policy> policy;
    // bypass: BypassPolicyLockoutSafetyCheck.
    bool bypass = false;
};
// read_new_policy reads Policy and BypassPolicyLockoutSafetyCheck. Errors: KmsErrc validation,
// serialization, limit_exceeded beyond 32 KiB, malformed_policy.
[[nodiscard]] Result<NewPolicy> read_new_policy(const Fields& fields);

// default_policy is the one that AWS gives a key without another: all is delegated to the account.
[[nodiscard]] std::string default_policy(std::string_view account);

// require_control is the lockout safety check: a key with this policy and these aliases must let
// the caller put another. Nothing is asked with bypass. Errors: KmsErrc malformed_policy, with
// AWS's sentence.
[[nodiscard]] Result<> require_control(const Call& call, const Key& key,
                                       const std::vector<std::string>& aliases,
                                       const NewPolicy& wanted);

[[nodiscard]] Result<Answer> get_key_policy(Core& core, Call& call);
[[nodiscard]] Result<Answer> put_key_policy(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_key_policies(Core& core, Call& call);

}  // namespace casemate::kms
