// KeyMetadata, as DescribeKey and CreateKey give it.
#pragma once

#include "kms/core/json.hpp"

namespace casemate::kms {

// key_metadata makes AWS's KeyMetadata of a key.
[[nodiscard]] json::object key_metadata(const Key& key, const json::storage_ptr& memory);

}  // namespace casemate::kms
