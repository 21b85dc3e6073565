#include "sigv4/sign.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "crypto/digest.hpp"
#include "crypto/mac.hpp"
#include "sigv4/authorization.hpp"
#include "sigv4/canonical.hpp"
#include "sigv4/date.hpp"
#include "sigv4/rules.hpp"

namespace casemate::sigv4 {

namespace {

Headers added_headers(const Credential& credential, const Signing& signing,
                      std::chrono::sys_seconds time, const crypto::Digest256& body_digest) {
    Headers added = {{"X-Amz-Date", format_amz_date(time)}};
    if (!credential.session_token.empty()) {
        added.emplace_back("X-Amz-Security-Token", as_text(credential.session_token.view()));
    }
    if (signing.content_sha256) {
        added.emplace_back("X-Amz-Content-Sha256", to_hex(body_digest));
    }
    return added;
}

Result<CanonicalHeaders> all_headers(const RequestView& request, const Headers& added) {
    Headers all(request.headers.begin(), request.headers.end());
    all.insert(all.end(), added.begin(), added.end());
    return CanonicalHeaders::from(all);
}

Result<CanonicalHeaders> headers_to_sign(const RequestView& request, const Headers& added) {
    CASEMATE_TRY(CanonicalHeaders headers, all_headers(request, added));
    if (headers.find("host") == nullptr) {
        return Error(SigErrc::malformed_request, "expected a Host header, found none");
    }
    if (headers.find(kAuthorizationHeader) != nullptr) {
        return Error(SigErrc::malformed_request,
                     "expected no Authorization header before signing, found one");
    }
    if (auto single = check_single(headers); !single) {
        return Error(SigErrc::malformed_request, single.error().detail());
    }
    return headers;
}

}  // namespace

Result<Headers> sign(const RequestView& request, const Credential& credential,
                     const Signing& signing) {
    const auto time = std::chrono::floor<std::chrono::seconds>(signing.time);
    const auto digest = crypto::sha256(request.body);
    Headers added = added_headers(credential, signing, time, digest);
    if (parse_amz_date(added.front().second) != time) {
        return Error(SigErrc::malformed_request, "expected a time in the years 0 to 9999");
    }
    CASEMATE_CHECK(check_method(request.method));
    CASEMATE_TRY(const CanonicalTarget target, CanonicalTarget::from(request.target));
    if (auto in_query = refuse_query_signature(target); !in_query) {
        return Error(SigErrc::malformed_request, in_query.error().detail());
    }
    CASEMATE_TRY(const CanonicalHeaders headers, headers_to_sign(request, added));

    Authorization authorization;
    authorization.access_key_id = credential.access_key_id;
    authorization.scope = {format_amz_date(time).substr(0, 8), std::string(signing.region),
                           std::string(signing.service)};
    for (const CanonicalHeader& header : headers.all()) {
        if (may_be_signed(header.name)) {
            authorization.signed_headers.push_back(header.name);
        }
    }
    const std::string to_sign = string_to_sign(
        time, authorization.scope,
        canonical_request(request.method, target, headers, authorization.signed_headers, digest));
    const SecretBytes key = derive_signing_key(credential.secret.view(), authorization.scope);
    const SecretBytes signature =
        crypto::hmac(crypto::MacAlgorithm::hmac_sha256, key.view(), as_bytes(to_sign));
    authorization.signature.assign(signature.view().begin(), signature.view().end());
    added.emplace_back("Authorization", authorization.text());
    // What verify would not read is not sent.
    CASEMATE_CHECK(parse_authorization(added.back().second));
    CASEMATE_CHECK(all_headers(request, added));
    return added;
}

}  // namespace casemate::sigv4
