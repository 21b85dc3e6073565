#include "sigv4/verify.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "crypto/digest.hpp"
#include "crypto/mac.hpp"
#include "sigv4/authorization.hpp"
#include "sigv4/canonical.hpp"
#include "sigv4/date.hpp"
#include "sigv4/rules.hpp"

namespace casemate::sigv4 {

namespace {

Error incomplete(std::string sentence) {
    return {SigErrc::incomplete_signature, std::move(sentence)};
}

Result<Authorization> read_authorization(const CanonicalHeaders& headers) {
    const CanonicalHeader* header = headers.find(kAuthorizationHeader);
    if (header == nullptr) {
        return Error(SigErrc::missing_authentication_token,
                     "expected an Authorization header, found none");
    }
    return parse_authorization(header->value);
}

// RequestTime: when a request was signed, and the header that says so.
struct RequestTime {
    std::chrono::sys_seconds time;
    std::string_view header;
};

Result<RequestTime> read_time(const CanonicalHeaders& headers) {
    if (const CanonicalHeader* date = headers.find(kDateHeader); date != nullptr) {
        const auto time = parse_amz_date(date->value);
        if (!time) {
            return incomplete("expected X-Amz-Date to be YYYYMMDDTHHMMSSZ");
        }
        return RequestTime{*time, kDateHeader};
    }
    const CanonicalHeader* date = headers.find(kHttpDateHeader);
    if (date == nullptr) {
        return incomplete("expected an X-Amz-Date or Date header, found none");
    }
    auto time = parse_http_date(date->value);
    if (!time) {
        time = parse_amz_date(date->value);
    }
    if (!time) {
        return incomplete("expected Date to be an HTTP date or YYYYMMDDTHHMMSSZ");
    }
    return RequestTime{*time, kHttpDateHeader};
}

Result<> check_signed_headers(const CanonicalHeaders& headers,
                              const std::vector<std::string>& names, std::string_view date_header) {
    for (const std::string& name : names) {
        if (name == kAuthorizationHeader || headers.find(name) == nullptr) {
            return incomplete(
                "expected each of SignedHeaders in the request, found a name of none");
        }
    }
    const auto is_signed = [&](std::string_view name) {
        return std::binary_search(names.begin(), names.end(), name, std::less<>());
    };
    if (!is_signed("host")) {
        return incomplete("expected host in SignedHeaders");
    }
    for (const CanonicalHeader& header : headers.all()) {
        if ((must_be_signed(header.name) || header.name == date_header) &&
            !is_signed(header.name)) {
            return incomplete(
                "expected Content-Type, the date and every X-Amz- header in SignedHeaders, found "
                "one that is not");
        }
    }
    return {};
}

Result<> check_scope(const Scope& scope, const Expectations& expectations) {
    if (scope.service != expectations.service) {
        return Error(SigErrc::wrong_scope, "expected a credential for service " +
                                               expectations.service + ", found another");
    }
    if (expectations.region && scope.region != *expectations.region) {
        return Error(SigErrc::wrong_scope, "expected a credential for region " +
                                               *expectations.region + ", found another");
    }
    return {};
}

Result<> check_time(std::chrono::sys_seconds time, const Scope& scope, std::chrono::seconds window,
                    codec::Milliseconds now) {
    const std::string text = format_amz_date(time);
    if (time < now - window || time > now + window) {
        return Error(SigErrc::request_expired,
                     "expected a date within " + std::to_string(window.count()) + " seconds of " +
                         format_amz_date(std::chrono::floor<std::chrono::seconds>(now)) +
                         ", found " + text);
    }
    if (!text.starts_with(scope.date)) {
        return Error(SigErrc::request_expired,
                     "expected the credential's date to be the request's, " + text.substr(0, 8) +
                         ", found " + scope.date);
    }
    return {};
}

Result<> check_content_hash(const CanonicalHeaders& headers, const crypto::Digest256& digest) {
    const CanonicalHeader* header = headers.find(kContentHashHeader);
    if (header != nullptr && header->value != to_hex(digest)) {
        return Error(
            SigErrc::signature_does_not_match,
            "expected X-Amz-Content-Sha256 to be the body's SHA-256, found something else; "
            "unsigned payloads are not accepted");
    }
    return {};
}

ByteView presented_token(const CanonicalHeaders& headers) {
    const CanonicalHeader* header = headers.find(kTokenHeader);
    return header == nullptr ? ByteView() : as_bytes(header->value);
}

// nobody stands in for a key that is not known. What it would verify is refused all the same.
Known nobody() {
    constexpr std::size_t kUsualSecret = 40;
    return {SecretBytes(kUsualSecret), SecretBytes()};
}

// check_signature does one verification and one derivation in each case where it refuses. Only a
// right signature by a key in the cache is spared the derivation.
Result<> check_signature(const Authorization& authorization, const CanonicalHeaders& headers,
                         std::string_view to_sign, const Lookup& lookup, SigningKeyCache* cache) {
    CASEMATE_TRY(const std::optional<Known> found, lookup(authorization.access_key_id));
    const Known stand_in = nobody();
    const Known& known = found ? *found : stand_in;

    const bool has_token = headers.find(kTokenHeader) != nullptr;
    const bool token_fits =
        constant_time_equal(presented_token(headers), known.session_token.view()) &&
        has_token != known.session_token.empty();

    const auto derive = [&] {
        return std::make_shared<const SecretBytes>(
            derive_signing_key(known.secret.view(), authorization.scope));
    };
    SigningKeyCache::Key key;
    if (cache != nullptr) {
        key = cache->find(authorization.access_key_id, authorization.scope, known.secret.view());
    }
    const bool cached = key != nullptr;
    if (!cached) {
        key = derive();
    }
    const bool signature_fits = crypto::verify_hmac(crypto::MacAlgorithm::hmac_sha256, key->view(),
                                                    as_bytes(to_sign), authorization.signature);
    const bool accepted = found && token_fits && signature_fits;
    if (cached && !accepted) {
        key = derive();
    }
    if (!found || !token_fits) {
        return Error(SigErrc::invalid_client_token,
                     "expected an access key and a session token that belong together and are "
                     "known here");
    }
    if (!signature_fits) {
        return Error(SigErrc::signature_does_not_match,
                     "expected the signature of this request by the access key's secret");
    }
    if (cache != nullptr && !cached) {
        cache->remember(authorization.access_key_id, authorization.scope, known.secret.view(),
                        std::move(key));
    }
    return {};
}

// ReadRequest: a request taken apart, of a right form, for this service at this time.
struct ReadRequest {
    CanonicalTarget target;
    CanonicalHeaders headers;
    Authorization authorization;
    std::chrono::sys_seconds time;
};

Result<ReadRequest> read_request(const RequestView& request, const Expectations& expectations,
                                 codec::Milliseconds now) {
    CASEMATE_CHECK(check_method(request.method));
    CASEMATE_TRY(CanonicalTarget target, CanonicalTarget::from(request.target));
    CASEMATE_TRY(CanonicalHeaders headers, CanonicalHeaders::from(request.headers));
    CASEMATE_CHECK(refuse_query_signature(target));
    CASEMATE_CHECK(check_single(headers));
    CASEMATE_TRY(Authorization authorization, read_authorization(headers));
    CASEMATE_TRY(const RequestTime when, read_time(headers));
    CASEMATE_CHECK(check_signed_headers(headers, authorization.signed_headers, when.header));
    CASEMATE_CHECK(check_scope(authorization.scope, expectations));
    CASEMATE_CHECK(check_time(when.time, authorization.scope, expectations.window, now));
    return ReadRequest{std::move(target), std::move(headers), std::move(authorization), when.time};
}

}  // namespace

Result<SignedBy> verify(const RequestView& request, const Lookup& lookup,
                        const Expectations& expectations, codec::Milliseconds now,
                        SigningKeyCache* cache) {
    CASEMATE_TRY(ReadRequest read, read_request(request, expectations, now));
    Authorization& authorization = read.authorization;
    const auto digest = crypto::sha256(request.body);
    CASEMATE_CHECK(check_content_hash(read.headers, digest));
    const std::string to_sign =
        string_to_sign(read.time, authorization.scope,
                       canonical_request(request.method, read.target, read.headers,
                                         authorization.signed_headers, digest));
    CASEMATE_CHECK(check_signature(authorization, read.headers, to_sign, lookup, cache));
    return SignedBy{std::move(authorization.access_key_id), std::move(authorization.signed_headers),
                    read.time, std::move(authorization.scope)};
}

}  // namespace casemate::sigv4
