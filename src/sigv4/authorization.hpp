// The Authorization header.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "sigv4/error.hpp"
#include "sigv4/signing_key.hpp"

namespace casemate::sigv4 {

inline constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

// Authorization: the parts of an Authorization header.
struct Authorization {
    std::string access_key_id;
    Scope scope;
    // signed_headers in lower case, sorted, none twice.
    std::vector<std::string> signed_headers;
    // signature: 32 bytes.
    Bytes signature;

    // text is the header's value.
    [[nodiscard]] std::string text() const;
};

// parse_authorization reads what text writes; parts may come in any order and the white space
// between them may be absent. An access key id is 1 to 128 letters, digits and underscores, a
// region and a service 1 to 64 small letters, digits and hyphens. Errors: incomplete_signature; the
// sentence names the part.
[[nodiscard]] Result<Authorization> parse_authorization(std::string_view value);

// join_signed_headers puts signed headers together: "host;x-amz-date".
[[nodiscard]] std::string join_signed_headers(const std::vector<std::string>& names);

}  // namespace casemate::sigv4
