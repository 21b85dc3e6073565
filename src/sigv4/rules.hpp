// What signing and verifying both ask of a request.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "sigv4/canonical.hpp"

namespace casemate::sigv4 {

inline constexpr std::string_view kAuthorizationHeader = "authorization";
inline constexpr std::string_view kDateHeader = "x-amz-date";
inline constexpr std::string_view kHttpDateHeader = "date";
inline constexpr std::string_view kTokenHeader = "x-amz-security-token";
inline constexpr std::string_view kContentHashHeader = "x-amz-content-sha256";

// check_single: no header that has one meaning only may come twice, for who reads the first and who
// reads the last would understand different requests. Error: incomplete_signature.
[[nodiscard]] Result<> check_single(const CanonicalHeaders& headers);

// must_be_signed tells whether a header, by its name in lower case, must be signed where it is
// present.
[[nodiscard]] bool must_be_signed(std::string_view name);

// may_be_signed tells whether sign covers a header: all but those that proxies and HTTP libraries
// change.
[[nodiscard]] bool may_be_signed(std::string_view name);

// refuse_query_signature: incomplete_signature for a query with X-Amz-… parameters, by which
// presigned requests carry what belongs into headers.
[[nodiscard]] Result<> refuse_query_signature(const CanonicalTarget& target);

}  // namespace casemate::sigv4
