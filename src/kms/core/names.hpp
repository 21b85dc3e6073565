// Names of keys and aliases: ids, ARNs, aliases, as AWS takes them in KeyId.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kms/error.hpp"

namespace casemate::kms {

// KeyName: what a KeyId says.
struct KeyName {
    enum class Kind : std::uint8_t { id, alias };
    Kind kind = Kind::id;
    // text: the id, or the alias with "alias/".
    std::string text;
    // arn: it was given as an ARN; then region and account are the ones in it.
    bool arn = false;
    std::string region;
    std::string account;
};

// parse_key_name reads a key's id, its ARN, an alias ("alias/NAME") or its ARN. Errors: KmsErrc
// invalid_arn for an ARN that is none of KMS; not_found for a text that no key can have, with AWS's
// sentence.
[[nodiscard]] Result<KeyName> parse_key_name(std::string_view text);

// is_alias_name tells whether text is "alias/" and 1 to 250 of a-z, A-Z, 0-9, '/', '_', '-'.
[[nodiscard]] bool is_alias_name(std::string_view text);
// is_key_id tells whether text is a UUID as keys have it, in small letters.
[[nodiscard]] bool is_key_id(std::string_view text);

// "arn:aws:kms:REGION:ACCOUNT:key/ID" and "arn:aws:kms:REGION:ACCOUNT:alias/NAME" (name with
// "alias/").
[[nodiscard]] std::string key_arn(std::string_view region, std::string_view account,
                                  std::string_view id);
[[nodiscard]] std::string alias_arn(std::string_view region, std::string_view account,
                                    std::string_view name);

// account_of gives the account in an ARN, "" where there is none.
[[nodiscard]] std::string account_of(std::string_view arn);

// new_uuid makes a random one (RFC 4122, version 4), in small letters; new_hex_id 64 random
// hexadecimal digits, as materials and grants have.
[[nodiscard]] std::string new_uuid();
[[nodiscard]] std::string new_hex_id();

}  // namespace casemate::kms
