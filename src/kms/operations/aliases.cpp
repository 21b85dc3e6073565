#include "kms/operations/aliases.hpp"

#include <algorithm>

#include "kms/core/checks.hpp"
#include "kms/operations/own_key.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kPrefix = "alias/";
constexpr std::string_view kReserved = "alias/aws/";
constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/_-";
constexpr Bounds kNameSize{1, 256};
constexpr Bounds kKeyIdSize{1, 2048};
constexpr std::size_t kMostListed = 100;
constexpr std::size_t kUsuallyListed = 50;

// read_alias_name reads AliasName: a name, not an ARN.
Result<std::string> read_alias_name(const Fields& fields) {
    CASEMATE_TRY(std::string name, fields.text("AliasName", kNameSize));
    if (name.find_first_not_of(kLetters) != std::string::npos) {
        return Fields::refused("AliasName", name,
                               "Member must satisfy regular expression pattern: "
                               "^[a-zA-Z0-9:/_-]+$");
    }
    if (!name.starts_with(kPrefix)) {
        return Error(KmsErrc::validation,
                     "Alias must start with the prefix \"alias/\". Please see "
                     "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html");
    }
    if (name.find(':') != std::string::npos) {
        return Error(KmsErrc::validation, name + " contains invalid characters for an alias");
    }
    if (!is_alias_name(name)) {
        return Error(KmsErrc::invalid_alias_name, "expected a name after alias/, found none");
    }
    if (name.starts_with(kReserved)) {
        return Error(KmsErrc::not_authorized, "Aliases beginning with alias/aws/ are reserved");
    }
    return name;
}

// read_target finds the key that TargetKeyId names.
Result<NamedKey> read_target(Core& core, const Call& call, const Fields& fields) {
    CASEMATE_TRY(const std::string target, fields.text("TargetKeyId", kKeyIdSize));
    const Result<KeyName> name = parse_key_name(target);
    if (target.starts_with(kPrefix) || (name && name->kind == KeyName::Kind::alias)) {
        return Error(KmsErrc::validation, "Aliases must refer to keys. Not aliases");
    }
    return own_key(core, call, fields, "TargetKeyId");
}

std::string arn_of(const Core& core, const Call& call, std::string_view name) {
    return alias_arn(core.region(), call.caller.account, name);
}

// permit_alias asks for the permission on the alias itself, which the caller's own policy gives.
Result<> permit_alias(Core& core, Call& call, std::string_view name) {
    Asked asked;
    asked.action = call.operation;
    asked.resource = arn_of(core, call, name);
    return permit(core, call, asked);
}

Result<> permit_key(Core& core, Call& call, const NamedKey& named) {
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    return permit(core, call, asked);
}

// find_alias gives an alias of the caller's account as it is now.
Result<Alias> find_alias(Core& core, const Call& call, const std::string& name) {
    Result<Alias> alias = core.repository.alias(call.caller.account, name);
    if (!alias && alias.error().is(StoreErrc::not_found)) {
        return Error(KmsErrc::not_found, "Alias " + arn_of(core, call, name) + " is not found.");
    }
    return alias;
}

// key_of gives the key of an alias. A key that has gone takes its aliases with it: then the alias
// is read anew.
Result<NamedKey> key_of(Core& core, const Alias& alias) {
    Result<KnownKeyPtr> known = core.keyring.by_id(alias.key_id);
    if (!known) {
        if (known.error().is(KmsErrc::not_found)) {
            return Error(StoreErrc::conflict, "expected the key of the alias, found it deleted");
        }
        return known.error();
    }
    return NamedKey{std::move(known).value(), {}};
}

Result<> require_room(Core& core, const Key& key) {
    CASEMATE_TRY(const Page<Alias> page, core.repository.alias_page_of(key.id, "", kMostAliases));
    if (page.items.size() >= kMostAliases) {
        return Error(KmsErrc::limit_exceeded, key.arn + " has " + std::to_string(kMostAliases) +
                                                  " aliases, which is as many as a key can have.");
    }
    return {};
}

// AWS lets an alias move between two symmetric, two asymmetric or two HMAC keys of one usage.
enum class Kind : std::uint8_t { symmetric, asymmetric, hmac };

Kind kind_of(KeySpec spec) {
    if (is_hmac(spec)) {
        return Kind::hmac;
    }
    return is_rsa(spec) || is_curve(spec) ? Kind::asymmetric : Kind::symmetric;
}

Result<> require_alike(const Key& from, const Key& to) {
    if (kind_of(from.spec) != kind_of(to.spec) || from.usage != to.usage) {
        return Error(
            KmsErrc::validation,
            "The alias can only be moved to a key of the same type and key usage: " + from.arn +
                " has key spec " + std::string(name_of(from.spec)) + " and key usage " +
                std::string(name_of(from.usage)) + ", " + to.arn + " has " +
                std::string(name_of(to.spec)) + " and " + std::string(name_of(to.usage)) + ".");
    }
    return {};
}

Result<Answer> create_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::string name, read_alias_name(fields));
    call.notes.parameters.emplace_back("aliasName", name);
    CASEMATE_TRY(const NamedKey target, read_target(core, call, fields));
    CASEMATE_CHECK(permit_alias(core, call, name));
    CASEMATE_CHECK(permit_key(core, call, target));
    CASEMATE_CHECK(require_state(target.key(), call.operation));
    const Result<Alias> there = core.repository.alias(call.caller.account, name);
    const Error exists(KmsErrc::already_exists,
                       "An alias with the name " + arn_of(core, call, name) + " already exists");
    if (there) {
        return exists;
    }
    CASEMATE_CHECK(require_room(core, target.key()));
    const Result<> made = core.repository.create_alias(
        {call.caller.account, name, target.key().id, call.now, call.now});
    if (!made && made.error().is(StoreErrc::exists)) {
        return exists;
    }
    if (!made && made.error().is(StoreErrc::not_found)) {
        return Error(StoreErrc::conflict, "expected the key as it was read, found it deleted");
    }
    CASEMATE_CHECK(made);
    return call.answer();
}

// require_move permits an alias's way to another key, and looks at whether it may go there.
Result<> require_move(Core& core, Call& call, const Alias& alias, const NamedKey& target) {
    CASEMATE_TRY(const NamedKey from, key_of(core, alias));
    CASEMATE_CHECK(permit_key(core, call, from));
    CASEMATE_CHECK(permit_key(core, call, target));
    CASEMATE_CHECK(require_state(target.key(), call.operation));
    return require_alike(from.key(), target.key());
}

Result<Answer> update_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::string name, read_alias_name(fields));
    call.notes.parameters.emplace_back("aliasName", name);
    CASEMATE_TRY(const NamedKey target, read_target(core, call, fields));
    CASEMATE_CHECK(permit_alias(core, call, name));
    CASEMATE_TRY(const Alias alias, find_alias(core, call, name));
    CASEMATE_CHECK(require_move(core, call, alias, target));
    if (alias.key_id == target.key().id) {
        return call.answer();
    }
    CASEMATE_CHECK(require_room(core, target.key()));
    const Result<> moved = core.repository.move_alias(alias, target.key().id, call.now);
    if (!moved && moved.error().is(StoreErrc::not_found)) {
        return Error(StoreErrc::conflict, "expected the key as it was read, found it deleted");
    }
    CASEMATE_CHECK(moved);
    return call.answer();
}

Result<Answer> delete_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::string name, read_alias_name(fields));
    call.notes.parameters.emplace_back("aliasName", name);
    CASEMATE_CHECK(permit_alias(core, call, name));
    CASEMATE_TRY(const Alias alias, find_alias(core, call, name));
    CASEMATE_TRY(const NamedKey named, key_of(core, alias));
    CASEMATE_CHECK(permit_key(core, call, named));
    CASEMATE_CHECK(require_state(named.key(), call.operation));
    CASEMATE_CHECK(core.repository.delete_alias(alias));
    return call.answer();
}

json::object entry_of(const Core& core, const Call& call, const Alias& alias) {
    json::object entry(call.memory);
    entry["AliasName"] = alias.name;
    entry["AliasArn"] = alias_arn(core.region(), alias.account, alias.name);
    entry["TargetKeyId"] = alias.key_id;
    entry["CreationDate"] = time_value(alias.created);
    entry["LastUpdatedDate"] = time_value(alias.updated);
    return entry;
}

}  // namespace

Result<Answer> create_alias(Core& core, Call& call) {
    return retried(core, call, create_once);
}

Result<Answer> update_alias(Core& core, Call& call) {
    return retried(core, call, update_once);
}

Result<Answer> delete_alias(Core& core, Call& call) {
    return retried(core, call, delete_once);
}

Result<Answer> list_aliases(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PageRequest page, read_page_request(fields, kUsuallyListed, kMostListed));
    Asked asked;
    asked.action = call.operation;
    CASEMATE_CHECK(permit(core, call, asked));
    Page<Alias> found;
    if (fields.has("KeyId")) {
        CASEMATE_TRY(const NamedKey named, own_key(core, call, fields));
        CASEMATE_TRY(found, core.repository.alias_page_of(named.key().id, page.after, page.limit));
    } else {
        CASEMATE_TRY(found,
                     core.repository.alias_page(call.caller.account, page.after, page.limit));
    }
    Answer answer = call.answer();
    json::array listed(call.memory);
    for (const Alias& alias : found.items) {
        listed.emplace_back(entry_of(core, call, alias));
    }
    answer["Aliases"] = std::move(listed);
    put_page(answer, found.next);
    return answer;
}

}  // namespace casemate::kms
