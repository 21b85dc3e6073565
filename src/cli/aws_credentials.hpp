// Whose name requests to AWS's services carry: credentials where AWS's SDKs look for them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kms_client/address.hpp"
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

// Url: "https://host:port/path", taken apart.
struct Url {
    bool secure = true;
    // host without brackets; port is the scheme's own where the text has none.
    std::string host;
    std::uint16_t port = 443;
    // default_port: the text names none, or the scheme's own.
    bool default_port = true;
    std::string path = "/";
};

// parse_url reads http and https. Errors: AwsErrc bad_setting for anything else, a user name
// included.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

// find_addresses looks a host up, in the order in which to try them. Errors: AwsErrc not_reached.
[[nodiscard]] Result<std::vector<kms_client::Address>> find_addresses(const Url& url);

// find_credentials looks in AWS's order: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN; the profile AWS_PROFILE (else "default") of AWS_SHARED_CREDENTIALS_FILE (else
// ~/.aws/credentials) and AWS_CONFIG_FILE (else ~/.aws/config), as far as keys stand there; the
// container's service (AWS_CONTAINER_CREDENTIALS_FULL_URI, _RELATIVE_URI); the instance's (IMDSv2,
// AWS_EC2_METADATA_SERVICE_ENDPOINT, unless AWS_EC2_METADATA_DISABLED is true). Errors: AwsErrc
// bad_setting, also for a profile that says to get keys by a program, a role, a web identity or a
// sign-in, which is not done here; no_credentials.
[[nodiscard]] Result<sigv4::Credential> find_credentials();

}  // namespace casemate::cli
