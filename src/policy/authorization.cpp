#include "policy/authorization.hpp"

#include <algorithm>
#include <utility>

#include "policy/principal.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

Authorization by(Decider decider, const Verdict& verdict) {
    return {verdict.decision, decider, verdict.statement};
}

// Verdicts: key is nothing for operations on no key, session where there is no such policy.
struct Verdicts {
    std::optional<Verdict> key;
    Verdict identity;
    std::optional<Verdict> session;
};

// find_allow looks for what allows a request that nothing denies.
Authorization find_allow(const Sources& sources, const Request& request,
                         const std::optional<Verdict>& key, const Verdict& identity) {
    const Caller caller = Caller::of(request.principal);
    const bool is_root = caller.kind == Caller::Kind::root;
    const bool identity_allows = identity.decision == Decision::allow;
    if (!key) {
        if (is_root) {
            return {Decision::allow, Decider::root_user, std::nullopt};
        }
        return identity_allows ? by(Decider::identity_policy, identity) : Authorization();
    }
    if (sources.granted) {
        return {Decision::allow, Decider::grant, std::nullopt};
    }
    const bool is_own_account =
        caller.kind != Caller::Kind::other && caller.account == sources.key_account;
    if (key->decision == Decision::allow && (is_own_account || is_root || identity_allows)) {
        return by(Decider::key_policy, *key);
    }
    if (key->delegation && identity_allows) {
        return by(Decider::identity_policy, identity);
    }
    return {};
}

// decide puts the policies' verdicts together.
Authorization decide(const Sources& sources, const Request& request, const Verdicts& verdicts) {
    if (verdicts.key && verdicts.key->decision == Decision::explicit_deny) {
        return by(Decider::key_policy, *verdicts.key);
    }
    if (verdicts.identity.decision == Decision::explicit_deny) {
        return by(Decider::identity_policy, verdicts.identity);
    }
    if (verdicts.session && verdicts.session->decision == Decision::explicit_deny) {
        return by(Decider::session_policy, *verdicts.session);
    }
    const Authorization found = find_allow(sources, request, verdicts.key, verdicts.identity);
    if (found.allowed() && verdicts.session && verdicts.session->decision != Decision::allow) {
        return {Decision::implicit_deny, Decider::session_policy, std::nullopt};
    }
    return found;
}

std::string summary_of(const AuthorizationReport& report) {
    const Authorization& authorization = report.authorization;
    std::string out(name_of(authorization.decision));
    if (authorization.decider == Decider::nothing) {
        return out + ": nothing allows it";
    }
    out += " by the " + std::string(name_of(authorization.decider));
    if (authorization.statement) {
        out += ", statement " + std::to_string(*authorization.statement + 1);
    }
    return out;
}

}  // namespace

std::string_view name_of(Decider decider) {
    switch (decider) {
        case Decider::nothing:
            return "nothing";
        case Decider::root_user:
            return "root user's rights";
        case Decider::key_policy:
            return "key policy";
        case Decider::identity_policy:
            return "identity policy";
        case Decider::session_policy:
            return "session policy";
        case Decider::grant:
            return "grant";
    }
    return "";
}

Authorization authorize(const Sources& sources, const Request& request) {
    Verdicts verdicts;
    if (sources.key_policy != nullptr) {
        verdicts.key = sources.key_policy->evaluate(request);
    }
    if (sources.identity_policy != nullptr) {
        verdicts.identity = sources.identity_policy->evaluate(request);
    }
    if (sources.session_policy != nullptr) {
        verdicts.session = sources.session_policy->evaluate(request);
    }
    return decide(sources, request, verdicts);
}

AuthorizationReport explain(const Sources& sources, const Request& request) {
    AuthorizationReport report;
    Verdicts verdicts;
    if (sources.key_policy != nullptr) {
        report.policies.push_back(sources.key_policy->explain(request, "key policy"));
        verdicts.key = report.policies.back().verdict;
    }
    if (sources.identity_policy != nullptr) {
        report.policies.push_back(sources.identity_policy->explain(request, "identity policy"));
        verdicts.identity = report.policies.back().verdict;
    }
    if (sources.session_policy != nullptr) {
        report.policies.push_back(sources.session_policy->explain(request, "session policy"));
        verdicts.session = report.policies.back().verdict;
    }
    report.authorization = decide(sources, request, verdicts);
    report.summary = summary_of(report);
    return report;
}

std::string AuthorizationReport::print() const {
    std::string out = summary + '\n';
    for (const Explanation& explanation : policies) {
        out += explanation.print();
    }
    return out;
}

bool keeps_control(Sources sources, Request request) {
    request.action = "kms:PutKeyPolicy";
    // Grants don't reach as far as policies, and the caller outlives his session.
    sources.granted = false;
    sources.session_policy = nullptr;
    const Authorization authorization = authorize(sources, request);
    if (authorization.decision != Decision::implicit_deny || sources.key_policy == nullptr) {
        return authorization.allowed();
    }
    const Caller caller = Caller::of(request.principal);
    return caller.account == sources.key_account &&
           sources.key_policy->evaluate(request).delegation.has_value();
}

bool meets_constraint(const std::map<std::string, std::string>& wanted, bool subset,
                      const std::map<std::string, std::string>& given) {
    if (!subset) {
        return wanted == given;
    }
    return std::all_of(wanted.begin(), wanted.end(), [&given](const auto& pair) {
        const auto place = given.find(pair.first);
        return place != given.end() && place->second == pair.second;
    });
}

}  // namespace casemate::policy
