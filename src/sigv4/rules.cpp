#include "sigv4/rules.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "sigv4/text.hpp"

namespace casemate::sigv4 {

namespace {

constexpr std::string_view kAmzPrefix = "x-amz-";

constexpr std::array<std::string_view, 8> kSingle = {
    "authorization",    kDateHeader,    kHttpDateHeader, kTokenHeader,
    kContentHashHeader, "x-amz-target", "host",          "content-type",
};

constexpr std::array<std::string_view, 18> kChanging = {
    "authorization",
    "cache-control",
    "connection",
    "expect",
    "forwarded",
    "from",
    "keep-alive",
    "max-forwards",
    "pragma",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-amzn-trace-id",
    "x-forwarded-for",
};

}  // namespace

Result<> check_single(const CanonicalHeaders& headers) {
    for (const std::string_view name : kSingle) {
        const CanonicalHeader* header = headers.find(name);
        if (header != nullptr && header->count != 1) {
            return Error(SigErrc::incomplete_signature, "expected one header " + std::string(name) +
                                                            ", found " +
                                                            std::to_string(header->count));
        }
    }
    return {};
}

bool must_be_signed(std::string_view name) {
    return name == "host" || name == "content-type" || name.starts_with(kAmzPrefix);
}

bool may_be_signed(std::string_view name) {
    return std::find(kChanging.begin(), kChanging.end(), name) == kChanging.end() &&
           !name.starts_with("proxy-") && !name.starts_with("sec-");
}

Result<> refuse_query_signature(const CanonicalTarget& target) {
    // None of these names' characters is ever percent-encoded in the canonical query.
    const std::string query = "&" + lower(target.query);
    if (query.find("&" + std::string(kAmzPrefix)) != std::string::npos) {
        return Error(SigErrc::incomplete_signature,
                     "expected the signature in the Authorization header, found X-Amz- parameters "
                     "in the query");
    }
    return {};
}

}  // namespace casemate::sigv4
