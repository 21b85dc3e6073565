// What operations that use one key in cryptography begin with.
#pragma once

#include "kms/core/access.hpp"
#include "kms/core/call.hpp"
#include "kms/core/core.hpp"
#include "kms/core/fields.hpp"
#include "kms/core/keyring.hpp"

namespace casemate::kms {

// kMaxMessage is AWS's bound for what is signed, authenticated or encrypted in one request.
inline constexpr std::int64_t kMaxMessage = 4096;

// take_key reads KeyId, finds the key, asks for permission by the call's own name,
// and refuses a key that can't be used now or not for this (usage; nothing: for any). asked says
// what else the permission depends on; its action and key are set here. Errors: KmsErrc validation,
// serialization, not_found, invalid_arn, disabled, kms_invalid_state, invalid_key_usage; those of
// permit; StoreErrc.
[[nodiscard]] Result<NamedKey> take_key(Core& core, Call& call, const Fields& fields,
                                        std::optional<KeyUsage> usage, Asked asked);

}  // namespace casemate::kms
