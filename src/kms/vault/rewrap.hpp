// Wrapping a whole store's secrets under the current root key.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// rewrap wraps every material, every caller's secret and every wrapped setting that is under an
// older root key under the current one, and then lets the vault forget the older ones; it gives the
// number of secrets that it wrapped anew. After a kill at any moment every secret is still opened,
// and rewrap goes on where it was. Services on the store may go on working, provided their vaults
// have been opened since the rotation. Errors: those of Repository and Vault.
[[nodiscard]] Result<std::uint64_t> rewrap(Vault& vault, Repository& repository);

}  // namespace casemate::kms
