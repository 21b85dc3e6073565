// Verification, for services.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "codec/rfc3339.hpp"
#include "sigv4/error.hpp"
#include "sigv4/request.hpp"
#include "sigv4/signing_key.hpp"

namespace casemate::sigv4 {

// Known: what a service knows of an access key.
struct Known {
    SecretBytes secret;
    // session_token that requests must carry; empty: they must carry none.
    SecretBytes session_token;
};

// Lookup finds an access key: nothing when there is none, an error when that can't be told.
using Lookup = std::function<Result<std::optional<Known>>(std::string_view access_key_id)>;

// Expectations: what a signature must be for.
struct Expectations {
    // service: "kms".
    std::string service;
    // region; nothing: any.
    std::optional<std::string> region;
    // window: how far a request's date may be from now, in both directions.
    std::chrono::seconds window = std::chrono::minutes(5);
};

// SignedBy: whose request it is. Only what signed_headers names, the method, the target and the
// body are the signer's.
struct SignedBy {
    std::string access_key_id;
    // signed_headers in lower case, sorted.
    std::vector<std::string> signed_headers;
    std::chrono::sys_seconds time;
    // scope that it was signed under.
    Scope scope;
};

// verify tells who signed a request by an Authorization header of AWS4-HMAC-SHA256 ("Create a
// signed AWS API request" in the IAM User Guide; the rules of services other than S3: paths are
// normalised and encoded once more).
//
// These must be signed: Host, X-Amz-Date (or Date, where there is no X-Amz-Date), Content-Type if
// present and every X-Amz-*. X-Amz-Content-Sha256, if present, must be the body's hash: unsigned
// payloads are refused, and so are signatures in the query. A header of which only one value has a
// meaning must not come twice.
//
// The work and so the time after lookup is the same for an unknown access key as for a known one
// with a wrong signature, whatever the cache holds. cache may be nullptr: every request then costs
// the derivation.
//
// Errors: those of SigErrc, and lookup's own.
[[nodiscard]] Result<SignedBy> verify(const RequestView& request, const Lookup& lookup,
                                      const Expectations& expectations, codec::Milliseconds now,
                                      SigningKeyCache* cache = nullptr);

}  // namespace casemate::sigv4
