// Every operation of the service, by its name.
#include <algorithm>
#include <array>

#include "kms/operations/agreement.hpp"
#include "kms/operations/aliases.hpp"
#include "kms/operations/cipher.hpp"
#include "kms/operations/data_key_pairs.hpp"
#include "kms/operations/data_keys.hpp"
#include "kms/operations/keys.hpp"
#include "kms/operations/mac.hpp"
#include "kms/operations/operation.hpp"
#include "kms/operations/policies.hpp"
#include "kms/operations/public_key.hpp"
#include "kms/operations/random.hpp"
#include "kms/operations/signing.hpp"
#include "kms/operations/tags.hpp"

namespace casemate::kms {

namespace {

// In the order of their names: find_operation searches by halves.
constexpr auto kOperations = std::to_array<Operation>({
    {"CancelKeyDeletion", cancel_key_deletion, true},
    {"CreateAlias", create_alias, true},
    {"CreateKey", create_key, true},
    {"Decrypt", decrypt},
    {"DeleteAlias", delete_alias, true},
    {"DeriveSharedSecret", derive_shared_secret},
    {"DescribeKey", describe_key},
    {"DisableKey", disable_key, true},
    {"EnableKey", enable_key, true},
    {"Encrypt", encrypt},
    {"GenerateDataKey", generate_data_key},
    {"GenerateDataKeyPair", generate_data_key_pair},
    {"GenerateDataKeyPairWithoutPlaintext", generate_data_key_pair_without_plaintext},
    {"GenerateDataKeyWithoutPlaintext", generate_data_key_without_plaintext},
    {"GenerateMac", generate_mac},
    {"GenerateRandom", generate_random},
    {"GetKeyPolicy", get_key_policy},
    {"GetPublicKey", get_public_key},
    {"ListAliases", list_aliases},
    {"ListKeyPolicies", list_key_policies},
    {"ListKeys", list_keys},
    {"ListResourceTags", list_resource_tags},
    {"PutKeyPolicy", put_key_policy, true},
    {"ReEncrypt", re_encrypt},
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
