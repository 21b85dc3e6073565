// Sessions: temporary credentials of a caller, with an end. Nothing of them is stored: the session
// token is what the service needs to know, wrapped by the vault, so that each service with the root
// keys takes them.
//
// Session token: base64 of what Vault::wrap makes, bound to the session's access key id, of a
// record with big-endian numbers: version (1 byte, 1), issued and expires (8 bytes each, seconds
// since 1970), then four texts, each behind its size (2 bytes): the user's access key id, the
// session's secret, its name, its policy.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "kms/core/call.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// As AWS's STS has them.
inline constexpr std::chrono::seconds kMinSession{900};
inline constexpr std::chrono::seconds kMaxSession{43200};
inline constexpr std::size_t kMaxSessionPolicy = 2048;
// kMaxSessionToken: characters. What is longer is not looked at.
inline constexpr std::size_t kMaxSessionToken = 4096;

// SessionTerms: what a session is to be.
struct SessionTerms {
    // access_key_id of the user whose session it is.
    std::string access_key_id;
    // name: 2 to 64 characters for a role's; else empty.
    std::string name;
    // policy: JSON; empty for none.
    std::string policy;
    Time issued;
    std::chrono::seconds duration = std::chrono::hours(1);
};

// SessionCredentials: what its bearer gets.
struct SessionCredentials {
    // access_key_id: "ASIA" and 16 letters and digits.
    std::string access_key_id;
    // secret: text of 40 characters.
    SecretBytes secret;
    std::string token;
    Time expires;
};

// OpenedSession: what a token says.
struct OpenedSession {
    std::string user_access_key_id;
    SecretBytes secret;
    std::string name;
    std::string policy;
    Time issued;
    Time expires;
};

// is_session_name tells whether text is 2 to 64 letters, digits or +=,.@_-, as AWS has it.
[[nodiscard]] bool is_session_name(std::string_view text);

// new_access_key_id makes prefix ("AKIA", "ASIA") and 16 random characters of base32.
[[nodiscard]] std::string new_access_key_id(std::string_view prefix);

// make_session makes credentials. The terms' texts are at most what a token holds: a name of 64
// characters, a policy of kMaxSessionPolicy. Errors: VaultErrc.
[[nodiscard]] Result<SessionCredentials> make_session(const Vault& vault,
                                                      const SessionTerms& terms);

// open_session opens a token that came with an access key id: nothing where it is none of this
// vault's, is another access key's, or was changed. Whether it has expired the caller of this
// function looks at. It costs at most one decryption. Errors: VaultErrc unavailable, where that
// can't be told.
[[nodiscard]] Result<std::optional<OpenedSession>> open_session(const Vault& vault,
                                                                std::string_view access_key_id,
                                                                std::string_view token);

// caller_of makes the caller of a session from its user as he is now. A role's session has the ARN
// "arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME", any other its user's. Errors: KmsErrc
// invalid_client_token for a policy that is none.
[[nodiscard]] Result<Caller> caller_of(const Caller& user, std::string_view access_key_id,
                                       const OpenedSession& session);

}  // namespace casemate::kms
