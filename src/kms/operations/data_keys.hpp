// GenerateDataKey, GenerateDataKeyWithoutPlaintext.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"

namespace casemate::kms {

[[nodiscard]] Result<Answer> generate_data_key(Core& core, Call& call);
[[nodiscard]] Result<Answer> generate_data_key_without_plaintext(Core& core, Call& call);

}  // namespace casemate::kms
