// How KMS puts policies together (KMS Developer Guide, "Troubleshooting key access"): the key's
// policy, the caller's own policy and grants.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.hpp"

namespace casemate::policy {

// Sources: what speaks for and against a request. Pointers are borrowed for the call.
struct Sources {
    // key_policy: of the key that is asked for; nullptr for operations on no key (CreateKey,
    // ListKeys, GenerateRandom), which the caller's own policy alone decides.
    const Policy* key_policy = nullptr;
    // identity_policy: the caller's own; nullptr for none.
    const Policy* identity_policy = nullptr;
    // key_account: the 12 digits of the account that owns the key.
    std::string_view key_account;
    // granted: some grant of the key allows this request; its constraints have been looked at.
    bool granted = false;
    // session_policy: of the caller's session; nullptr for none.
    const Policy* session_policy = nullptr;
};

// Decider: what decided a request.
enum class Decider : std::uint8_t {
    // Nothing allowed it.
    nothing,
    // The account's root user, for an operation on no key.
    root_user,
    key_policy,
    identity_policy,
    session_policy,
    grant,
};
[[nodiscard]] std::string_view name_of(Decider decider);

struct Authorization {
    Decision decision = Decision::implicit_deny;
    Decider decider = Decider::nothing;
    // statement of the policy that decided.
    std::optional<std::size_t> statement;

    [[nodiscard]] bool allowed() const { return decision == Decision::allow; }
    bool operator==(const Authorization&) const = default;
};

// authorize decides:
//  * a Deny that applies, in any policy, wins over everything, grants included;
//  * a session's policy only narrows: what it does not allow is denied, whatever else allows it
//    (AWS lets a key's policy that names the session itself go past it; here nothing does);
//  * a grant allows;
//  * a caller of the key's account is allowed by the key's policy where it names him, or where it
//    names his account and his own policy allows;
//  * a caller of another account is allowed where the key's policy names him or his account, and
//    his own policy allows as well (the root user of that account needs no policy of his own).
[[nodiscard]] Authorization authorize(const Sources& sources, const Request& request);

// AuthorizationReport: authorize, with reasons.
struct AuthorizationReport {
    Authorization authorization;
    std::vector<Explanation> policies;
    // summary: the sentence that says what decided.
    std::string summary;

    // print writes lines for people: the summary, then each policy's explanation.
    [[nodiscard]] std::string print() const;
};
[[nodiscard]] AuthorizationReport explain(const Sources& sources, const Request& request);

// keeps_control answers PutKeyPolicy's and CreateKey's lockout safety check: under sources, whose
// key_policy is the new one, could the request's principal call kms:PutKeyPolicy again? The
// request's action does not matter, nor do grants and a session's policy, which end. A policy that
// lets the principal's account, which owns the key, decide keeps control too, unless it denies the
// principal.
[[nodiscard]] bool keeps_control(Sources sources, Request request);

// meets_constraint looks at a grant's EncryptionContextEquals (given must be wanted exactly) or,
// with subset, EncryptionContextSubset (given must have all of wanted). Case matters.
[[nodiscard]] bool meets_constraint(const std::map<std::string, std::string>& wanted, bool subset,
                                    const std::map<std::string, std::string>& given);

}  // namespace casemate::policy
