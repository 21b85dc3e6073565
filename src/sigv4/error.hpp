// Errors of Signature Version 4, each with the error that AWS answers.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::sigv4 {

enum class SigErrc : std::uint8_t {
    // No HTTP request that could be signed: a bad target, header or percent-escape, or more of
    // something than the limits allow. AWS: ValidationException.
    malformed_request,
    // Neither an Authorization header nor anything else of a signature.
    // AWS: MissingAuthenticationToken.
    missing_authentication_token,
    // A part of the signature is absent, malformed, doubled or of a kind that is not accepted; the
    // sentence says which. AWS: IncompleteSignature.
    incomplete_signature,
    // An unknown access key, or a session token that is absent, wrong or not the key's.
    // AWS: InvalidClientTokenId, UnrecognizedClientException.
    invalid_client_token,
    // The signature or the payload's hash is not this request's.
    // AWS: InvalidSignatureException, SignatureDoesNotMatch.
    signature_does_not_match,
    // Signed for another region or service. AWS: InvalidSignatureException.
    wrong_scope,
    // Signed too long ago, too far in the future, or for another day than its date.
    // AWS: RequestExpired; KMS: InvalidSignatureException.
    request_expired,
};

[[nodiscard]] std::string_view describe(SigErrc code);

}  // namespace casemate::sigv4
