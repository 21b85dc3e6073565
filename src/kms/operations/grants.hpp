// Grants: CreateGrant, ListGrants, ListRetirableGrants, RetireGrant, RevokeGrant.
//
// A grant counts from the answer on. With a Name its id follows from its parameters: a request that
// comes again finds the grant that it has made. Constraints hold as policy::meets_constraint says.
#pragma once

#include <cstddef>

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// kMaxGrants: the grants that a key may have (KMS's quota).
inline constexpr std::size_t kMaxGrants = 50'000;

[[nodiscard]] Result<Answer> create_grant(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_grants(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_retirable_grants(Core& core, Call& call);
[[nodiscard]] Result<Answer> retire_grant(Core& core, Call& call);
[[nodiscard]] Result<Answer> revoke_grant(Core& core, Call& call);

}  // namespace casemate::kms
