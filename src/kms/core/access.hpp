// Access: may this caller do this, now, with this key?
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kms/core/call.hpp"
#include "kms/core/core.hpp"
#include "policy/authorization.hpp"

namespace casemate::kms {

// Asked: one permission. Borrowed for the call.
struct Asked {
    // action without its prefix: "Decrypt", "ReEncryptFrom".
    std::string_view action;
    // key that it is about; nullptr: none, and the caller's own policy alone decides.
    const NamedKey* key = nullptr;
    // resource: with no key, what the action is on: "*" or an alias's ARN.
    std::string resource = "*";
    // The encryption context, where the operation takes one: for conditions and for grants.
    const EncryptionContext* encryption_context = nullptr;
    // Further condition keys and their values ("kms:SigningAlgorithm").
    std::vector<std::pair<std::string_view, std::string>> conditions;
    // Condition keys that have several values ("aws:TagKeys").
    std::vector<std::pair<std::string_view, std::vector<std::string>>> lists;
    // recipient: the verified attestation document of the request; nullptr: none.
    const attestation::VerifiedDocument* recipient = nullptr;
};

// request_of makes the policy room's request of a call: action, resource and all condition keys:
//   aws:PrincipalArn, …Account, …Type, username; aws:TokenIssueTime of a session; aws:CurrentTime,
//   aws:EpochTime; aws:SourceIp; aws:SecureTransport; aws:ResourceTag/…; kms:CallerAccount;
//   kms:KeySpec, kms:KeyUsage, kms:KeyOrigin, kms:MultiRegion; kms:ResourceAliases;
//   kms:RequestAlias; kms:EncryptionContext:…, kms:EncryptionContextKeys;
//   kms:RecipientAttestation:ImageSha384 and PCR0 to PCR31.
[[nodiscard]] policy::Request request_of(const Call& call, const Asked& asked);

// permit refuses what the key's policy, the caller's own and the key's grants don't allow, or his
// session's policy, and notes the key and what decided. With a key, the request's GrantTokens are
// looked at first (a grant counts without its token). Errors: KmsErrc access_denied with AWS's
// sentence; those of check_grant_tokens; StoreErrc.
[[nodiscard]] Result<> permit(Core& core, Call& call, const Asked& asked);

// grantees_of gives the principals under which grants to a caller stand: himself and, for a
// session, its role.
[[nodiscard]] std::vector<std::string> grantees_of(const Caller& caller);

// sources_of gives what decides about a key without its grants: for explanations and for the
// lockout check of policies.
[[nodiscard]] policy::Sources sources_of(const Call& call, const Asked& asked);

}  // namespace casemate::kms
