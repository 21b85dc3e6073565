// Generations: how a key's material changes: by rotation, and by the end of what was imported.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kms/core/core.hpp"

namespace casemate::kms {

// change_key reads a key and lets change store it changed; where another request was quicker
// (StoreErrc conflict), again with the key as it is then. Errors: change's; KmsErrc not_found.
[[nodiscard]] Result<> change_key(Core& core, std::string_view id,
                                  const std::function<Result<>(Key& key)>& change);

// add_generation stores a key, changed as its caller wishes, with fresh material that encrypts from
// now on; what the older generations encrypted they still decrypt. rotation is "AUTOMATIC" or
// "ON_DEMAND". Errors: KmsErrc kms_invalid_state for a key without material; Repository's of
// update_key; CryptoErrc, VaultErrc.
[[nodiscard]] Result<> add_generation(Core& core, Key& key, std::string_view rotation, Time now);

// remove_imported takes a key's imported material away: until it is imported again, the key is
// pending import, unless it is pending deletion. What tells the same material again stays. Nothing
// happens to a key that has none. Errors: Repository's of update_key.
[[nodiscard]] Result<> remove_imported(Core& core, Key& key);

}  // namespace casemate::kms
