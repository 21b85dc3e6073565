// Operations on a key of the caller's own account, which all of key management is.
#pragma once

#include <mutex>
#include <span>
#include <string_view>

#include "kms/core/access.hpp"
#include "kms/core/call.hpp"
#include "kms/core/core.hpp"
#include "kms/core/fields.hpp"

namespace casemate::kms {

// own_key finds the key that a member names by its id or ARN, as these operations take it: no
// alias. Errors: those of Keyring::find and require_own_account; KmsErrc not_found for an alias,
// validation.
[[nodiscard]] Result<NamedKey> own_key(Core& core, const Call& call, const Fields& fields,
                                       std::string_view member = "KeyId");

// permitted_key is own_key, and asks for the permission of the same name as the operation. Errors:
// those of both.
[[nodiscard]] Result<NamedKey> permitted_key(Core& core, Call& call, const Fields& fields);

// StateRule: which states of a key an operation takes (KMS Developer Guide, "Key states"); what
// uses keys in cryptography asks require_enabled instead.
struct StateRule {
    std::string_view operation;
    bool enabled = true;
    bool disabled = true;
    bool pending_import = true;
    bool pending_deletion = true;
};
// state_rules lists those of key management that take a key, by operation.
[[nodiscard]] std::span<const StateRule> state_rules();

// require_state: KmsErrc kms_invalid_state, with AWS's sentence, for a key in a state that the
// operation does not take; internal for an operation without a rule.
[[nodiscard]] Result<> require_state(const Key& key, std::string_view operation);

// kTries: how often what another changes at the same time is read and tried again.
inline constexpr int kTries = 20;

// next_try is held by those of this process who try again, one at a time: of many who change one
// key at once nobody loses each time.
[[nodiscard]] std::unique_lock<std::mutex> next_try();

// retried performs an operation that changes what it has read; where another has changed it
// meanwhile it is all done anew, permissions included. Errors: those of once.
template <class Once>
[[nodiscard]] Result<Answer> retried(Core& core, Call& call, Once once) {
    const Notes before = call.notes;
    Result<Answer> answer = once(core, call);
    if (answer || !answer.error().is(StoreErrc::conflict)) {
        return answer;
    }
    const std::unique_lock<std::mutex> turn = next_try();
    for (int tries = 1; tries < kTries && !answer && answer.error().is(StoreErrc::conflict);
         ++tries) {
        call.notes = before;
        answer = once(core, call);
    }
    return answer;
}

}  // namespace casemate::kms
