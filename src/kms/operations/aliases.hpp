// Aliases: CreateAlias, UpdateAlias, DeleteAlias, ListAliases.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

// kMostAliases that one key can have.
inline constexpr std::size_t kMostAliases = 50;

[[nodiscard]] Result<Answer> create_alias(Core& core, Call& call);
[[nodiscard]] Result<Answer> update_alias(Core& core, Call& call);
[[nodiscard]] Result<Answer> delete_alias(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_aliases(Core& core, Call& call);

}  // namespace casemate::kms
