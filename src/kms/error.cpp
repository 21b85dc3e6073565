#include "kms/error.hpp"

namespace casemate::kms {

std::string_view type_of(KmsErrc code) {
    switch (code) {
        case KmsErrc::access_denied:
            return "AccessDeniedException";
        case KmsErrc::incomplete_signature:
            return "IncompleteSignatureException";
        case KmsErrc::invalid_client_token:
            return "UnrecognizedClientException";
        case KmsErrc::missing_authentication_token:
            return "MissingAuthenticationTokenException";
        case KmsErrc::signature_does_not_match:
            return "InvalidSignatureException";
        // Not RequestExpired, which AWS documents: KMS answers so, and SDKs correct their clock by
        // it.
        case KmsErrc::request_expired:
            return "InvalidSignatureException";
        case KmsErrc::throttling:
            return "ThrottlingException";
        case KmsErrc::serialization:
            return "SerializationException";
        case KmsErrc::unknown_operation:
            return "UnknownOperationException";
        case KmsErrc::validation:
            return "ValidationException";
        case KmsErrc::internal:
            return "KMSInternalException";
        case KmsErrc::dependency_timeout:
            return "DependencyTimeoutException";
        case KmsErrc::already_exists:
            return "AlreadyExistsException";
        case KmsErrc::conflict:
            return "ConflictException";
        case KmsErrc::custom_key_store_not_found:
            return "CustomKeyStoreNotFoundException";
        case KmsErrc::disabled:
            return "DisabledException";
        case KmsErrc::dry_run:
            return "DryRunOperationException";
        case KmsErrc::expired_import_token:
            return "ExpiredImportTokenException";
        case KmsErrc::incorrect_key:
            return "IncorrectKeyException";
        case KmsErrc::incorrect_key_material:
            return "IncorrectKeyMaterialException";
        case KmsErrc::incorrect_trust_anchor:
            return "IncorrectTrustAnchorException";
        case KmsErrc::invalid_alias_name:
            return "InvalidAliasNameException";
        case KmsErrc::invalid_arn:
            return "InvalidArnException";
        case KmsErrc::invalid_ciphertext:
            return "InvalidCiphertextException";
        case KmsErrc::invalid_grant_id:
            return "InvalidGrantIdException";
        case KmsErrc::invalid_grant_token:
            return "InvalidGrantTokenException";
        case KmsErrc::invalid_import_token:
            return "InvalidImportTokenException";
        case KmsErrc::invalid_key_usage:
            return "InvalidKeyUsageException";
        case KmsErrc::invalid_marker:
            return "InvalidMarkerException";
        case KmsErrc::key_unavailable:
            return "KeyUnavailableException";
        case KmsErrc::kms_invalid_mac:
            return "KMSInvalidMacException";
        case KmsErrc::kms_invalid_signature:
            return "KMSInvalidSignatureException";
        case KmsErrc::kms_invalid_state:
            return "KMSInvalidStateException";
        case KmsErrc::limit_exceeded:
            return "LimitExceededException";
        case KmsErrc::malformed_policy:
            return "MalformedPolicyDocumentException";
        case KmsErrc::not_authorized:
            return "NotAuthorizedException";
        case KmsErrc::not_found:
            return "NotFoundException";
        case KmsErrc::tag:
            return "TagException";
        case KmsErrc::unsupported_operation:
            return "UnsupportedOperationException";
    }
    return "KMSInternalException";
}

std::string_view describe(KmsErrc code) {
    return type_of(code);
}

int status_of(KmsErrc code) {
    switch (code) {
        case KmsErrc::internal:
        case KmsErrc::key_unavailable:
            return 500;
        case KmsErrc::dependency_timeout:
            return 503;
        default:
            return 400;
    }
}

}  // namespace casemate::kms
