#include "kms/core/access.hpp"

#include <algorithm>
#include <array>

#include "codec/rfc3339.hpp"
#include "kms/core/grant_token.hpp"
#include "policy/principal.hpp"

namespace casemate::kms {

namespace {

// Operations whose grants an encryption context can constrain (CreateGrant, Constraints).
constexpr std::array<std::string_view, 8> kWithContext{
    "Decrypt",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
};

void put_encryption_context(policy::Context& context, const EncryptionContext& given) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : given) {
        context.add("kms:EncryptionContext:" + key, value);
        keys.push_back(key);
    }
    context.set_all("kms:EncryptionContextKeys", std::move(keys));
}

void put_key(policy::Context& context, const NamedKey& named) {
    const Key& key = named.key();
    context.set("kms:KeySpec", std::string(name_of(key.spec)));
    context.set("kms:KeyUsage", std::string(name_of(key.usage)));
    context.set("kms:KeyOrigin", std::string(name_of(key.origin)));
    context.set("kms:MultiRegion", "false");
    context.set_all("kms:ResourceAliases", named.known->aliases);
    if (!named.alias.empty()) {
        context.set("kms:RequestAlias", named.alias);
    }
    for (const auto& [tag, value] : key.tags) {
        context.set("aws:ResourceTag/" + tag, value);
    }
}

void put_recipient(policy::Context& context, const attestation::VerifiedDocument& document) {
    for (const auto& [index, value] : document.contents().pcrs) {
        const std::string digits = to_hex(value);
        context.set("kms:RecipientAttestation:PCR" + std::to_string(index), digits);
        if (index == 0) {
            context.set("kms:RecipientAttestation:ImageSha384", digits);
        }
    }
}

std::string resource_of(const Asked& asked) {
    return asked.key != nullptr ? asked.key->key().arn : asked.resource;
}

bool covers(const Grant& grant, const Asked& asked) {
    if (std::find(grant.operations.begin(), grant.operations.end(), asked.action) ==
        grant.operations.end()) {
        return false;
    }
    const bool constrained =
        grant.context.has_value() &&
        std::find(kWithContext.begin(), kWithContext.end(), asked.action) != kWithContext.end();
    static const EncryptionContext kNone;
    return !constrained ||
           policy::meets_constraint(
               *grant.context, grant.subset,
               asked.encryption_context != nullptr ? *asked.encryption_context : kNone);
}

Result<bool> is_granted(Core& core, const Call& call, const Asked& asked) {
    if (asked.key == nullptr) {
        return false;
    }
    for (const std::string& grantee : grantees_of(call.caller)) {
        CASEMATE_TRY(const std::vector<Grant> grants,
                     core.repository.grants_to(asked.key->key().id, grantee));
        if (std::any_of(grants.begin(), grants.end(),
                        [&](const Grant& grant) { return covers(grant, asked); })) {
            return true;
        }
    }
    return false;
}

// decided_by says what decided, for the audit log.
std::string decided_by(const policy::Authorization& authorization, const Asked& asked,
                       const Call& call) {
    std::string text(policy::name_of(authorization.decision));
    text.append(": ").append(policy::name_of(authorization.decider));
    if (!authorization.statement) {
        return text;
    }
    const policy::Policy* policy = nullptr;
    if (authorization.decider == policy::Decider::key_policy && asked.key != nullptr) {
        policy = &asked.key->known->policy;
    } else if (authorization.decider == policy::Decider::session_policy && call.caller.session &&
               call.caller.session->policy) {
        policy = &*call.caller.session->policy;
    } else if (call.caller.policy) {
        policy = &*call.caller.policy;
    }
    text += ", statement " + std::to_string(*authorization.statement + 1);
    if (policy != nullptr && !policy->sid(*authorization.statement).empty()) {
        text += " (" + policy->sid(*authorization.statement) + ")";
    }
    return text;
}

Error denied(const policy::Authorization& authorization, const Asked& asked, const Call& call) {
    const std::string action = "kms:" + std::string(asked.action);
    std::string_view kind = "an identity-based";
    if (authorization.decider == policy::Decider::key_policy) {
        kind = "a resource-based";
    } else if (authorization.decider == policy::Decider::session_policy) {
        kind = "a session";
    }
    std::string why;
    if (authorization.decision == policy::Decision::explicit_deny) {
        why = "with an explicit deny in " + std::string(kind) + " policy";
    } else if (authorization.decider == policy::Decider::session_policy) {
        why = "because no session policy allows the " + action + " action";
    } else {
        why = asked.key != nullptr
                  ? "because no resource-based policy allows the " + action + " action"
                  : "because no identity-based policy allows the " + action + " action";
    }
    return {KmsErrc::access_denied, "User: " + call.caller.arn + " is not authorized to perform: " +
                                        action + " on resource: " + resource_of(asked) + " " + why};
}

}  // namespace

std::vector<std::string> grantees_of(const Caller& caller) {
    std::vector<std::string> names{caller.arn};
    const policy::Caller parts = policy::Caller::of(caller.arn);
    if (caller.session && caller.session->issuer != caller.arn) {
        names.push_back(caller.session->issuer);
    } else if (parts.kind == policy::Caller::Kind::session) {
        names.push_back("arn:" + std::string(parts.partition) +
                        ":iam::" + std::string(parts.account) + ":role/" + std::string(parts.name));
    }
    return names;
}

policy::Request request_of(const Call& call, const Asked& asked) {
    policy::Request request;
    request.principal = call.caller.arn;
    request.action = "kms:" + std::string(asked.action);
    request.resource = resource_of(asked);
    policy::Context& context = request.context;
    policy::set_principal(context, call.caller.arn);
    if (call.caller.session) {
        const Session& session = *call.caller.session;
        // The role's own ARN has the path that the session's does not tell.
        if (session.issuer != call.caller.arn) {
            context.set("aws:PrincipalArn", session.issuer);
        }
        context.set("aws:TokenIssueTime", codec::format_rfc3339(session.issued));
    }
    policy::set_time(context, call.now);
    context.set("aws:SecureTransport", call.secure ? "true" : "false");
    context.set("kms:CallerAccount", call.caller.account);
    if (call.source_address) {
        context.set("aws:SourceIp", *call.source_address);
    }
    if (asked.key != nullptr) {
        put_key(context, *asked.key);
    }
    if (asked.encryption_context != nullptr) {
        put_encryption_context(context, *asked.encryption_context);
    }
    if (asked.recipient != nullptr) {
        put_recipient(context, *asked.recipient);
    }
    for (const auto& [key, value] : asked.conditions) {
        context.set(key, value);
    }
    for (const auto& [key, values] : asked.lists) {
        context.set_all(key, values);
    }
    return request;
}

policy::Sources sources_of(const Call& call, const Asked& asked) {
    policy::Sources sources;
    if (asked.key != nullptr) {
        sources.key_policy = &asked.key->known->policy;
        sources.key_account = asked.key->known->account;
    }
    if (call.caller.policy) {
        sources.identity_policy = &*call.caller.policy;
    }
    if (call.caller.session && call.caller.session->policy) {
        sources.session_policy = &*call.caller.session->policy;
    }
    return sources;
}

Result<> permit(Core& core, Call& call, const Asked& asked) {
    if (asked.key != nullptr) {
        CASEMATE_CHECK(check_grant_tokens(Fields(call.input)));
    }
    const policy::Request request = request_of(call, asked);
    policy::Sources sources = sources_of(call, asked);
    policy::Authorization authorization = policy::authorize(sources, request);
    if (authorization.decision == policy::Decision::implicit_deny) {
        CASEMATE_TRY(sources.granted, is_granted(core, call, asked));
        if (sources.granted) {
            authorization = policy::authorize(sources, request);
        }
    }
    if (asked.key != nullptr) {
        call.notes.keys.push_back(asked.key->key().arn);
    }
    if (asked.encryption_context != nullptr) {
        call.notes.encryption_context = *asked.encryption_context;
    }
    call.notes.decision = decided_by(authorization, asked, call);
    if (!authorization.allowed()) {
        return denied(authorization, asked, call);
    }
    return {};
}

}  // namespace casemate::kms
