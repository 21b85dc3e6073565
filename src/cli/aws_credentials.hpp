// Whose name requests to AWS's services carry: credentials where AWS's SDKs look for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "http/url.hpp"
#include "sigv4/sign.hpp"

namespace casemate::cli {

enum class AwsErrc : std::uint8_t {
    // Something in the environment or in one of AWS's files can't be used.
    bad_setting,
    // There are no credentials anywhere.
    no_credentials,
    // A service refused what it was asked for; the sentence has its own words.
    refused,
    // A service could not be reached, or what answers is not that service.
    not_reached,
};

[[nodiscard]] std::string_view describe(AwsErrc code);

// parse_endpoint reads "https://HOST[:PORT]" or http, with nothing but a '/' behind it: nothing
// here asks below a path. Errors: AwsErrc bad_setting.
[[nodiscard]] Result<http::Url> parse_endpoint(std::string_view text);

// find_credentials looks in AWS's order: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN; the profile AWS_PROFILE (else "default") of AWS_SHARED_CREDENTIALS_FILE (else
// ~/.aws/credentials) and AWS_CONFIG_FILE (else ~/.aws/config), as far as keys stand there; the
// container's service (AWS_CONTAINER_CREDENTIALS_FULL_URI, _RELATIVE_URI); the instance's (IMDSv2,
// AWS_EC2_METADATA_SERVICE_ENDPOINT, unless AWS_EC2_METADATA_DISABLED is true). Errors: AwsErrc
// bad_setting, also for a profile that says to get keys by a program, a role, a web identity or a
// sign-in, which is not done here; no_credentials.
[[nodiscard]] Result<sigv4::Credential> find_credentials();

}  // namespace casemate::cli
