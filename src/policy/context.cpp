#include "policy/context.hpp"

#include <utility>

#include "codec/rfc3339.hpp"
#include "policy/principal.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

std::string lower(std::string_view text) {
    std::string small(text);
    for (char& letter : small) {
        letter = lower_letter(letter);
    }
    return small;
}

void Context::set(std::string_view key, std::string value) {
    auto& values = keys_[lower(key)];
    values.clear();
    values.push_back(std::move(value));
}

void Context::set_all(std::string_view key, std::vector<std::string> values) {
    keys_[lower(key)] = std::move(values);
}

void Context::add(std::string_view key, std::string value) {
    keys_[lower(key)].push_back(std::move(value));
}

const std::vector<std::string>* Context::find(std::string_view lower_case_key) const {
    const auto place = keys_.find(lower_case_key);
    return place == keys_.end() ? nullptr : &place->second;
}

void set_principal(Context& context, std::string_view arn) {
    const Caller caller = Caller::of(arn);
    context.set("aws:PrincipalArn", std::string(arn));
    if (caller.kind == Caller::Kind::other) {
        return;
    }
    context.set("aws:PrincipalAccount", std::string(caller.account));
    switch (caller.kind) {
        case Caller::Kind::root:
            context.set("aws:PrincipalType", "Account");
            break;
        case Caller::Kind::user:
            context.set("aws:PrincipalType", "User");
            context.set("aws:username", std::string(caller.name));
            break;
        case Caller::Kind::role:
            context.set("aws:PrincipalType", "AssumedRole");
            break;
        case Caller::Kind::session:
            context.set("aws:PrincipalType", "AssumedRole");
            context.set("aws:PrincipalArn", "arn:" + std::string(caller.partition) +
                                                ":iam::" + std::string(caller.account) + ":role/" +
                                                std::string(caller.name));
            break;
        case Caller::Kind::federated:
            context.set("aws:PrincipalType", "FederatedUser");
            break;
        case Caller::Kind::other:
            break;
    }
}

void set_time(Context& context, std::chrono::sys_time<std::chrono::milliseconds> now) {
    context.set("aws:CurrentTime", codec::format_rfc3339(now));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    context.set("aws:EpochTime", std::to_string(seconds.time_since_epoch().count()));
}

}  // namespace casemate::policy
