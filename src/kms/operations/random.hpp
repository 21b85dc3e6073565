// GenerateRandom.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

[[nodiscard]] Result<Answer> generate_random(Core& core, Call& call);

}  // namespace casemate::kms
