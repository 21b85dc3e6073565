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

Naming naming_of(std::string_view text, const Caller& caller) {
    if (text == "*" || text == caller.arn) {
        return Naming::itself;
    }
    if (caller.kind == Caller::Kind::other) {
        return Naming::none;
    }
    const Naming by_account = caller.kind == Caller::Kind::root ? Naming::itself : Naming::account;
    if (is_account(text)) {
        return text == caller.account ? by_account : Naming::none;
    }
    const Caller named = Caller::of(text);
    if (named.account != caller.account || named.partition != caller.partition) {
        return Naming::none;
    }
    if (named.kind == Caller::Kind::root) {
        return by_account;
    }
    const bool is_role_of_session = named.kind == Caller::Kind::role &&
                                    caller.kind == Caller::Kind::session &&
                                    named.name == caller.name;
    return is_role_of_session ? Naming::itself : Naming::none;
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
    if (type == Type::aws && text != "*" && !is_account(text)) {
        if (text.find_first_of("*?") != std::string_view::npos) {
            return Error(
                PolicyErrc::invalid_principal,
                "expected a principal without wildcards, or \"*\" alone, found " + quoted(text));
        }
        if (Caller::of(text).kind == Caller::Kind::other) {
            return Error(PolicyErrc::invalid_principal,
                         "expected \"*\", an account's id or the ARN of an account's root, a user, "
                         "a role or a session, found " +
                             quoted(text));
        }
    }
    if (text.empty()) {
        return Error(PolicyErrc::invalid_principal, "expected a principal, found an empty text");
    }
    texts_[static_cast<std::size_t>(type)].emplace_back(text);
    return {};
}

Naming Principals::names(const Caller& caller) const {
    Naming best = Naming::none;
    for (const std::string& text : texts(Type::aws)) {
        best = std::max(best, naming_of(text, caller));
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
    const auto& listed = texts(Type::aws);
    const auto is_himself = [&caller](const std::string& text) {
        return text == "*" || text == caller.arn;
    };
    if (caller.kind != Caller::Kind::session ||
        std::any_of(listed.begin(), listed.end(), is_himself)) {
        return true;
    }
    return std::none_of(listed.begin(), listed.end(), [&caller](const std::string& text) {
        const Caller named = Caller::of(text);
        return named.kind == Caller::Kind::session && named.partition == caller.partition &&
               named.account == caller.account && named.name == caller.name;
    });
}

}  // namespace casemate::policy
