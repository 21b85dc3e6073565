// The key of requests that AWS does not take an alias for.
#pragma once

#include "kms/core/access.hpp"
#include "kms/core/core.hpp"
#include "kms/core/fields.hpp"

namespace casemate::kms {

// find_key_without_alias finds the key that KeyId names by its id or its ARN. Errors: KmsErrc
// validation where it is missing, invalid_arn for an alias, and Keyring::find's.
[[nodiscard]] Result<NamedKey> find_key_without_alias(Core& core, const Call& call,
                                                      const Fields& fields);

// asked_about makes the question for a permission on a key, which is borrowed.
[[nodiscard]] inline Asked asked_about(std::string_view action, const NamedKey& named) {
    Asked asked;
    asked.action = action;
    asked.key = &named;
    return asked;
}

}  // namespace casemate::kms
