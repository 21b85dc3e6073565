#include "policy/principal.hpp"

#include <algorithm>

#include "policy/error.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

// behind gives what follows a prefix that must be followed by something.
bool behind(std::string_view text, std::string_view prefix, std::string_view& rest) {
    if (!text.starts_with(prefix) || text.size() == prefix.size()) {
        return false;
    }
    rest = text.substr(prefix.size());
    return true;
}

std::string_view last_part(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

void read_iam(std::string_view resource, Caller& caller) {
    std::string_view path;
    if (resource == "root") {
        caller.kind = Caller::Kind::root;
    } else if (behind(resource, "user/", path) && !last_part(path).empty()) {
        caller.kind = Caller::Kind::user;
        caller.name = last_part(path);
    } else if (behind(resource, "role/", path) && !last_part(path).empty()) {
        caller.kind = Caller::Kind::role;
        caller.name = last_part(path);
    }
}

void read_sts(std::string_view resource, Caller& caller) {
    std::string_view rest;
    if (behind(resource, "assumed-role/", rest)) {
        const std::size_t slash = rest.find('/');
        if (slash != std::string_view::npos && slash > 0 && slash + 1 < rest.size()) {
            caller.kind = Caller::Kind::session;
            caller.name = rest.substr(0, slash);
        }
    } else if (behind(resource, "federated-user/", rest)) {
        caller.kind = Caller::Kind::federated;
        caller.name = rest;
    }
}

}  // namespace

Caller Caller::of(std::string_view arn) {
    Caller caller;
    caller.arn = arn;
    Arn parts;
    if (!split_arn(arn, parts) || parts.partition.empty() || !parts.region.empty() ||
        !is_account(parts.account)) {
        return caller;
    }
    caller.partition = parts.partition;
    caller.account = parts.account;
    if (parts.service == "iam") {
        read_iam(parts.resource, caller);
    } else if (parts.service == "sts") {
        read_sts(parts.resource, caller);
    }
    return caller;
}

std::string_view Principals::name_of(Type type) {
    switch (type) {
        case Type::aws:
            return "AWS";
        case Type::service:
            return "Service";
        case Type::federated:
            return "Federated";
        case Type::canonical_user:
            return "CanonicalUser";
    }
    return "";
}

Result<> Principals::add(Type type, std::string_view text) {
    if (text.empty()) {
        return Error(PolicyErrc::invalid_principal, "expected a principal, found an empty text");
    }
    if (type == Type::aws) {
        const Caller caller = Caller::of(text);
        const bool is_bare = policy::is_account(text);
        const bool is_everyone = text == "*";
        if (!is_everyone && text.find_first_of("*?") != std::string_view::npos) {
            return Error(
                PolicyErrc::invalid_principal,
                "expected a principal without wildcards, or \"*\" alone, found " + quoted(text));
        }
        if (!is_everyone && !is_bare && caller.kind == Caller::Kind::other) {
            return Error(PolicyErrc::invalid_principal,
                         "expected \"*\", an account's id or the ARN of an account's root, a user, "
                         "a role or a session, found " +
                             quoted(text));
        }
        named_.push_back({is_everyone, is_bare || caller.kind == Caller::Kind::root,
                          caller.kind == Caller::Kind::role, caller.kind == Caller::Kind::session,
                          std::string(text), std::string(caller.partition),
                          std::string(is_bare ? text : caller.account), std::string(caller.name)});
    }
    texts_[static_cast<std::size_t>(type)].emplace_back(text);
    return {};
}

// is_role_of tells whether both are, or are sessions of, one role.
bool Principals::is_role_of(const Named& named, const Caller& caller) {
    return caller.kind == Caller::Kind::session && named.account == caller.account &&
           named.partition == caller.partition && named.name == caller.name;
}

Naming Principals::naming_of(const Named& named, const Caller& caller) {
    if (named.is_everyone || named.text == caller.arn) {
        return Naming::itself;
    }
    if (caller.kind == Caller::Kind::other) {
        return Naming::none;
    }
    if (named.is_account) {
        const bool is_his = named.account == caller.account &&
                            (named.partition.empty() || named.partition == caller.partition);
        const bool is_root = caller.kind == Caller::Kind::root;
        return !is_his ? Naming::none : (is_root ? Naming::itself : Naming::account);
    }
    return named.is_role && is_role_of(named, caller) ? Naming::itself : Naming::none;
}

Naming Principals::names(const Caller& caller) const {
    Naming best = Naming::none;
    for (const Named& named : named_) {
        best = std::max(best, naming_of(named, caller));
        if (best == Naming::itself) {
            break;
        }
    }
    return best;
}

bool Principals::spares(const Caller& caller) const {
    if (names(caller) != Naming::itself) {
        return false;
    }
    const bool is_named_himself = std::any_of(
        named_.begin(), named_.end(),
        [&caller](const Named& named) { return named.is_everyone || named.text == caller.arn; });
    return is_named_himself ||
           std::none_of(named_.begin(), named_.end(), [&caller](const Named& named) {
               return named.is_session && is_role_of(named, caller);
           });
}

}  // namespace casemate::policy
