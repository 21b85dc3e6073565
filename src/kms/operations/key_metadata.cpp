#include "kms/operations/key_metadata.hpp"

#include "kms/core/algorithms.hpp"
#include "kms/core/names.hpp"

namespace casemate::kms {

json::object key_metadata(const Key& key, const json::storage_ptr& memory) {
    json::object metadata(memory);
    metadata["AWSAccountId"] = account_of(key.arn);
    metadata["KeyId"] = key.id;
    metadata["Arn"] = key.arn;
    metadata["CreationDate"] = time_value(key.created);
    metadata["Enabled"] = key.state == KeyState::enabled;
    metadata["Description"] = key.description;
    metadata["KeyUsage"] = name_of(key.usage);
    metadata["KeyState"] = name_of(key.state);
    if (key.state == KeyState::pending_deletion && key.deletion_date) {
        metadata["DeletionDate"] = time_value(*key.deletion_date);
    }
    metadata["Origin"] = name_of(key.origin);
    if (key.origin == Origin::external && !key.current_material.empty()) {
        metadata["ExpirationModel"] =
            key.valid_to ? "KEY_MATERIAL_EXPIRES" : "KEY_MATERIAL_DOES_NOT_EXPIRE";
        if (key.valid_to) {
            metadata["ValidTo"] = time_value(*key.valid_to);
        }
    }
    metadata["KeyManager"] = "CUSTOMER";
    metadata["CustomerMasterKeySpec"] = name_of(key.spec);
    metadata["KeySpec"] = name_of(key.spec);
    put_algorithms(metadata, key);
    metadata["MultiRegion"] = false;
    if (key.spec == KeySpec::symmetric_default && !key.current_material.empty()) {
        metadata["CurrentKeyMaterialId"] = key.current_material;
    }
    return metadata;
}

}  // namespace casemate::kms
