// Errors of the key management service, by the names and HTTP statuses that AWS's clients know.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::kms {

enum class KmsErrc : std::uint8_t {
    // --- of any operation ---
    access_denied,
    // The request's signature, its date or its access key.
    incomplete_signature,
    invalid_client_token,
    missing_authentication_token,
    signature_does_not_match,
    request_expired,
    // Temporary credentials after their end.
    expired_token,
    throttling,
    // Malformed JSON, a field of the wrong type.
    serialization,
    unknown_operation,
    validation,
    internal,
    dependency_timeout,
    // --- of keys and what belongs to them ---
    already_exists,
    conflict,
    custom_key_store_not_found,
    disabled,
    dry_run,
    expired_import_token,
    incorrect_key,
    incorrect_key_material,
    invalid_alias_name,
    invalid_arn,
    invalid_ciphertext,
    invalid_grant_id,
    invalid_grant_token,
    invalid_import_token,
    invalid_key_usage,
    invalid_marker,
    kms_invalid_mac,
    kms_invalid_signature,
    kms_invalid_state,
    limit_exceeded,
    malformed_policy,
    // A name that is AWS's own: "alias/aws/…".
    not_authorized,
    not_found,
    tag,
    unsupported_operation,
};

// type_of is the exception's name: "NotFoundException". describe is the same text.
[[nodiscard]] std::string_view type_of(KmsErrc code);
[[nodiscard]] std::string_view describe(KmsErrc code);
// status_of is the HTTP status: 400, or 500 for internal and 503 for dependency_timeout: the faults
// that are not the caller's, which clients retry.
[[nodiscard]] int status_of(KmsErrc code);

}  // namespace casemate::kms
