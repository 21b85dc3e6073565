// Signing, for clients.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "codec/rfc3339.hpp"
#include "sigv4/error.hpp"
#include "sigv4/request.hpp"

namespace casemate::sigv4 {

// Credential: who signs.
struct Credential {
    std::string access_key_id;
    SecretBytes secret;
    // session_token of temporary credentials; empty for others.
    SecretBytes session_token;
};

// Where a request goes, and when.
struct Signing {
    std::string_view region;
    std::string_view service;
    // time is cut to whole seconds.
    codec::Milliseconds time;
    // content_sha256 adds X-Amz-Content-Sha256 with the body's hash.
    bool content_sha256 = false;
};

// sign gives the headers to add to a request: X-Amz-Date, X-Amz-Security-Token if the credential
// has a token, X-Amz-Content-Sha256 if asked for, and Authorization. The request must already have
// Host and all else that shall be signed: every header is, but those that proxies and HTTP
// libraries change (Connection, User-Agent, Transfer-Encoding and their like). Errors:
// malformed_request for what verify would not take, for no Host, and for a header that this call
// adds and the request already has; incomplete_signature for an access key id, region or service of
// other characters or sizes than verify takes.
[[nodiscard]] Result<Headers> sign(const RequestView& request, const Credential& credential,
                                   const Signing& signing);

}  // namespace casemate::sigv4
