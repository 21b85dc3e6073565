// Grant tokens. A grant counts from CreateGrant's answer on, so that its token is needed nowhere:
// where requests take GrantTokens they are looked at for their form only. A token names its grant,
// for RetireGrant; it gives no permission, and is not authenticated.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kms/core/fields.hpp"

namespace casemate::kms {

// GrantName: what a token names.
struct GrantName {
    std::string key_id;
    std::string grant_id;

    bool operator==(const GrantName&) const = default;
};
// make_grant_token gives another token each time: base64 of "CKG1", the key's id (16 bytes), the
// grant's (32) and 16 random bytes. parse_grant_token reads one, and nothing else.
[[nodiscard]] std::string make_grant_token(const GrantName& name);
[[nodiscard]] std::optional<GrantName> parse_grant_token(std::string_view token);

// check_grant_tokens looks at a request's GrantTokens: at most 10, each of at most
// 8,192 characters and in the form of a token.
// Errors: KmsErrc validation, serialization, invalid_grant_token.
[[nodiscard]] Result<> check_grant_tokens(const Fields& fields);

}  // namespace casemate::kms
