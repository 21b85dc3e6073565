// Checks that many operations make, with AWS's errors and sentences.
#pragma once

#include "kms/core/call.hpp"
#include "kms/core/fields.hpp"
#include "kms/core/keyring.hpp"

namespace casemate::kms {

// require_enabled: for use in cryptography at the call's time. Errors: KmsErrc disabled;
// kms_invalid_state for a key pending deletion or import, and for imported material that has ended,
// even where upkeep has not come to it yet.
[[nodiscard]] Result<> require_enabled(const Call& call, const Key& key);
// require_usage: KmsErrc invalid_key_usage. operation: its name, for the sentence.
[[nodiscard]] Result<> require_usage(const Key& key, KeyUsage usage,
                                     std::string_view operation = "this operation");
// require_not_deleted: KmsErrc kms_invalid_state for a key pending deletion.
[[nodiscard]] Result<> require_not_deleted(const Key& key);
// require_own_account: operations that AWS does not allow on another account's key. Errors: KmsErrc
// access_denied.
[[nodiscard]] Result<> require_own_account(const Call& call, const KnownKey& known);

// read_context reads EncryptionContext: at most 8,192 bytes of keys and values together; member:
// its name in the request. Errors: KmsErrc validation, serialization.
[[nodiscard]] Result<std::optional<EncryptionContext>> read_context(
    const Fields& fields, std::string_view member = "EncryptionContext");

// stop_if_dry_run ends a request with DryRun after all checks. Errors: KmsErrc dry_run.
[[nodiscard]] Result<> stop_if_dry_run(const Fields& fields);

// PageRequest: Limit and Marker of lists. limit: Limit, or the default where there is none.
struct PageRequest {
    std::size_t limit = 100;
    std::string after;
};
// read_page_request: a Marker is what put_page gave. most: AWS's bound of Limit. Errors: KmsErrc
// validation, invalid_marker.
[[nodiscard]] Result<PageRequest> read_page_request(const Fields& fields, std::size_t otherwise,
                                                    std::size_t most);
// put_page adds Truncated, and NextMarker if there is more.
void put_page(Answer& answer, const std::optional<std::string>& next);

}  // namespace casemate::kms
