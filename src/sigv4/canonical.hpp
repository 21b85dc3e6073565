// The canonical request and what is signed of it ("Create a signed AWS API request", steps 1 to 3
// in the IAM User Guide).
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "sigv4/error.hpp"
#include "sigv4/request.hpp"
#include "sigv4/signing_key.hpp"

namespace casemate::sigv4 {

// CanonicalHeader: all headers of one name.
struct CanonicalHeader {
    // name in lower case.
    std::string name;
    // value: trimmed, runs of white space folded to one space, joined by commas.
    std::string value;
    // count of the headers that had this name.
    std::size_t count = 1;
};

// CanonicalHeaders, sorted by name.
class CanonicalHeaders {
public:
    // from reads headers. Errors: malformed_request for a name that is no token, for control
    // characters in a value (line breaks!) and for more than the limits.
    [[nodiscard]] static Result<CanonicalHeaders> from(std::span<const Header> headers);

    // find gives the header of a name in lower case, or nullptr.
    [[nodiscard]] const CanonicalHeader* find(std::string_view name) const;
    [[nodiscard]] const std::vector<CanonicalHeader>& all() const { return headers_; }

private:
    std::vector<CanonicalHeader> headers_;
};

// CanonicalTarget: path and query.
struct CanonicalTarget {
    // path without "." and ".." segments and double slashes, percent-encoded once more.
    std::string path;
    // query: parameters decoded, encoded anew and sorted by name, then value. '+' is a plus sign.
    std::string query;

    // from reads a target. Errors: malformed_request for one that does not begin with '/', has
    // control characters or a '%' without two digits in its query, or is more than the limits.
    [[nodiscard]] static Result<CanonicalTarget> from(std::string_view target);
};

// canonical_request puts the parts together. Every signed header must be there.
[[nodiscard]] std::string canonical_request(std::string_view method, const CanonicalTarget& target,
                                            const CanonicalHeaders& headers,
                                            const std::vector<std::string>& signed_headers,
                                            const crypto::Digest256& body_digest);

// string_to_sign is what the signing key signs.
[[nodiscard]] std::string string_to_sign(std::chrono::sys_seconds time, const Scope& scope,
                                         std::string_view canonical_request);

// check_method: a token of at most kMaxMethod characters, else malformed_request.
[[nodiscard]] Result<> check_method(std::string_view method);

}  // namespace casemate::sigv4
