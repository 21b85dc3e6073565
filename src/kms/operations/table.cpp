// Every operation of the service, by its name.
#include <algorithm>
#include <array>

#include "kms/operations/agreement.hpp"
#include "kms/operations/aliases.hpp"
#include "kms/operations/cipher.hpp"
#include "kms/operations/data_key_pairs.hpp"
#include "kms/operations/data_keys.hpp"
#include "kms/operations/grants.hpp"
#include "kms/operations/import.hpp"
#include "kms/operations/keys.hpp"
#include "kms/operations/mac.hpp"
#include "kms/operations/operation.hpp"
#include "kms/operations/policies.hpp"
#include "kms/operations/public_key.hpp"
#include "kms/operations/random.hpp"
#include "kms/operations/rotation.hpp"
#include "kms/operations/signing.hpp"
#include "kms/operations/tags.hpp"

namespace casemate::kms {

namespace {

// In the order of their names: find_operation searches by halves.
constexpr auto kOperations = std::to_array<Operation>({
    {"CancelKeyDeletion", cancel_key_deletion, true},
    {"CreateAlias", create_alias, true},
    {"CreateGrant", create_grant, true},
    {"CreateKey", create_key, true},
    {"Decrypt", decrypt},
    {"DeleteAlias", delete_alias, true},
    {"DeleteImportedKeyMaterial", delete_imported_key_material, true},
    {"DeriveSharedSecret", derive_shared_secret},
    {"DescribeKey", describe_key},
    {"DisableKey", disable_key, true},
    {"DisableKeyRotation", disable_key_rotation, true},
    {"EnableKey", enable_key, true},
    {"EnableKeyRotation", enable_key_rotation, true},
    {"Encrypt", encrypt},
    {"GenerateDataKey", generate_data_key},
    {"GenerateDataKeyPair", generate_data_key_pair},
    {"GenerateDataKeyPairWithoutPlaintext", generate_data_key_pair_without_plaintext},
    {"GenerateDataKeyWithoutPlaintext", generate_data_key_without_plaintext},
    {"GenerateMac", generate_mac},
    {"GenerateRandom", generate_random},
    {"GetKeyPolicy", get_key_policy},
    {"GetKeyRotationStatus", get_key_rotation_status},
    {"GetParametersForImport", get_parameters_for_import},
    {"GetPublicKey", get_public_key},
    {"ImportKeyMaterial", import_key_material, true},
    {"ListAliases", list_aliases},
    {"ListGrants", list_grants},
    {"ListKeyPolicies", list_key_policies},
    {"ListKeyRotations", list_key_rotations},
    {"ListKeys", list_keys},
    {"ListResourceTags", list_resource_tags},
    {"ListRetirableGrants", list_retirable_grants},
    {"PutKeyPolicy", put_key_policy, true},
    {"ReEncrypt", re_encrypt},
    {"RetireGrant", retire_grant, true},
    {"RevokeGrant", revoke_grant, true},
    {"RotateKeyOnDemand", rotate_key_on_demand, true},
    {"ScheduleKeyDeletion", schedule_key_deletion, true},
    {"Sign", sign},
    {"TagResource", tag_resource, true},
    {"UntagResource", untag_resource, true},
    {"UpdateAlias", update_alias, true},
    {"UpdateKeyDescription", update_key_description, true},
    {"Verify", verify},
    {"VerifyMac", verify_mac},
});

}  // namespace

std::span<const Operation> all_operations() {
    return kOperations;
}

const Operation* find_operation(std::string_view name) {
    const auto* found = std::lower_bound(
        kOperations.begin(), kOperations.end(), name,
        [](const Operation& operation, std::string_view text) { return operation.name < text; });
    return found != kOperations.end() && found->name == name ? found : nullptr;
}

}  // namespace casemate::kms
