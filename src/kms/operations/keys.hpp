// Keys: made, described, listed, enabled and disabled, deleted after a while.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

[[nodiscard]] Result<Answer> create_key(Core& core, Call& call);
[[nodiscard]] Result<Answer> describe_key(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_keys(Core& core, Call& call);
[[nodiscard]] Result<Answer> enable_key(Core& core, Call& call);
[[nodiscard]] Result<Answer> disable_key(Core& core, Call& call);
// schedule_key_deletion sets the day; upkeep deletes the key then.
[[nodiscard]] Result<Answer> schedule_key_deletion(Core& core, Call& call);
[[nodiscard]] Result<Answer> cancel_key_deletion(Core& core, Call& call);
[[nodiscard]] Result<Answer> update_key_description(Core& core, Call& call);

}  // namespace casemate::kms
