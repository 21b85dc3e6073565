#include "kms/error.hpp"

#include <array>
#include <cstddef>

namespace casemate::kms {
namespace {

struct Type {
    KmsErrc code;
    std::string_view name;
};

// In the order of KmsErrc.
constexpr auto kTypes = std::to_array<Type>({
    {KmsErrc::access_denied, "AccessDeniedException"},
    {KmsErrc::incomplete_signature, "IncompleteSignatureException"},
    {KmsErrc::invalid_client_token, "UnrecognizedClientException"},
    {KmsErrc::missing_authentication_token, "MissingAuthenticationTokenException"},
    {KmsErrc::signature_does_not_match, "InvalidSignatureException"},
    // Not RequestExpired, which AWS documents: KMS answers so, and SDKs correct their clock by it.
    {KmsErrc::request_expired, "InvalidSignatureException"},
    {KmsErrc::expired_token, "ExpiredTokenException"},
    {KmsErrc::throttling, "ThrottlingException"},
    {KmsErrc::serialization, "SerializationException"},
    {KmsErrc::unknown_operation, "UnknownOperationException"},
    {KmsErrc::validation, "ValidationException"},
    {KmsErrc::internal, "KMSInternalException"},
    {KmsErrc::dependency_timeout, "DependencyTimeoutException"},
    {KmsErrc::already_exists, "AlreadyExistsException"},
    {KmsErrc::conflict, "ConflictException"},
    {KmsErrc::custom_key_store_not_found, "CustomKeyStoreNotFoundException"},
    {KmsErrc::disabled, "DisabledException"},
    {KmsErrc::dry_run, "DryRunOperationException"},
    {KmsErrc::expired_import_token, "ExpiredImportTokenException"},
    {KmsErrc::incorrect_key, "IncorrectKeyException"},
    {KmsErrc::incorrect_key_material, "IncorrectKeyMaterialException"},
    {KmsErrc::invalid_alias_name, "InvalidAliasNameException"},
    {KmsErrc::invalid_arn, "InvalidArnException"},
    {KmsErrc::invalid_ciphertext, "InvalidCiphertextException"},
    {KmsErrc::invalid_grant_id, "InvalidGrantIdException"},
    {KmsErrc::invalid_grant_token, "InvalidGrantTokenException"},
    {KmsErrc::invalid_import_token, "InvalidImportTokenException"},
    {KmsErrc::invalid_key_usage, "InvalidKeyUsageException"},
    {KmsErrc::invalid_marker, "InvalidMarkerException"},
    {KmsErrc::kms_invalid_mac, "KMSInvalidMacException"},
    {KmsErrc::kms_invalid_signature, "KMSInvalidSignatureException"},
    {KmsErrc::kms_invalid_state, "KMSInvalidStateException"},
    {KmsErrc::limit_exceeded, "LimitExceededException"},
    {KmsErrc::malformed_policy, "MalformedPolicyDocumentException"},
    {KmsErrc::not_authorized, "NotAuthorizedException"},
    {KmsErrc::not_found, "NotFoundException"},
    {KmsErrc::tag, "TagException"},
    {KmsErrc::unsupported_operation, "UnsupportedOperationException"},
});

constexpr bool has_each_in_order() {
    for (std::size_t i = 0; i < kTypes.size(); ++i) {
        if (kTypes[i].code != static_cast<KmsErrc>(i)) {
            return false;
        }
    }
    return kTypes.back().code == KmsErrc::unsupported_operation;
}
static_assert(has_each_in_order());

}  // namespace

std::string_view type_of(KmsErrc code) {
    const auto index = static_cast<std::size_t>(code);
    return index < kTypes.size() ? kTypes[index].name : "KMSInternalException";
}

std::string_view describe(KmsErrc code) {
    return type_of(code);
}

int status_of(KmsErrc code) {
    switch (code) {
        case KmsErrc::internal:
            return 500;
        case KmsErrc::dependency_timeout:
            return 503;
        default:
            return 400;
    }
}

}  // namespace casemate::kms
