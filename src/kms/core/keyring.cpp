#include "kms/core/keyring.hpp"

#include <utility>

namespace casemate::kms {

namespace {

constexpr std::size_t kMaxAliases = 50;

Error no_such_key(std::string_view arn) {
    return {KmsErrc::not_found, "Key '" + std::string(arn) + "' does not exist"};
}

Error no_such_alias(std::string_view arn) {
    return {KmsErrc::not_found, "Alias " + std::string(arn) + " is not found."};
}

Result<policy::Policy> read_policy(const std::string& text, policy::Kind kind) {
    Result<policy::Policy> read = policy::Policy::parse(text, kind);
    if (!read) {
        // It was read when it was put there.
        return Error(StoreErrc::damaged, "expected a policy, found " + read.error().message());
    }
    return read;
}

}  // namespace

Keyring::Keyring(Repository& repository, const Vault& vault, std::string region,
                 std::size_t capacity)
    : repository_(repository),
      vault_(vault),
      region_(std::move(region)),
      keys_(capacity),
      aliases_(capacity),
      materials_(capacity),
      callers_(capacity) {
}

Result<KnownKeyPtr> Keyring::load(std::string_view id, const KnownKeyPtr& before) {
    CASEMATE_TRY(Key key, repository_.key(id));
    CASEMATE_TRY(const Page<Alias> aliases, repository_.alias_page_of(id, "", kMaxAliases));
    std::vector<std::string> names;
    names.reserve(aliases.items.size());
    for (const Alias& alias : aliases.items) {
        names.push_back(alias.name);
    }
    if (before && before->key.version == key.version && before->aliases == names) {
        return before;
    }
    const bool same_policy = before && before->key.policy == key.policy;
    CASEMATE_TRY(policy::Policy policy, same_policy
                                            ? Result<policy::Policy>(before->policy)
                                            : read_policy(key.policy, policy::Kind::key_policy));
    std::string account = account_of(key.arn);
    return std::make_shared<const KnownKey>(
        KnownKey{std::move(key), std::move(policy), std::move(names), std::move(account)});
}

Result<KnownKeyPtr> Keyring::by_id(std::string_view id) {
    // Read before what it speaks of: what is kept under it can only be newer.
    CASEMATE_TRY(const std::uint64_t generation, repository_.generation());
    const auto kept = keys_.find(id);
    if (kept && kept->generation == generation) {
        return kept->value;
    }
    Result<KnownKeyPtr> loaded = load(id, kept ? kept->value : nullptr);
    if (!loaded) {
        keys_.forget(id);
        if (loaded.error().is(StoreErrc::not_found)) {
            return no_such_key(id);
        }
        return loaded;
    }
    keys_.put(id, *loaded, generation);
    return loaded;
}

Result<NamedKey> Keyring::find(std::string_view key_id, const Caller& caller) {
    CASEMATE_TRY(KeyName name, parse_key_name(key_id));
    if (name.arn && name.region != region_) {
        return Error(KmsErrc::not_found, "Invalid arn " + name.region);
    }
    const std::string& account = name.arn ? name.account : caller.account;
    NamedKey found;
    std::string id = name.text;
    const bool by_alias = name.kind == KeyName::Kind::alias;
    const std::string arn =
        by_alias ? alias_arn(region_, account, name.text) : key_arn(region_, account, name.text);
    if (by_alias) {
        CASEMATE_TRY(const std::uint64_t generation, repository_.generation());
        const auto kept = aliases_.find(arn);
        if (kept && kept->generation == generation) {
            id = kept->value;
        } else {
            const Result<Alias> alias = repository_.alias(account, name.text);
            if (!alias) {
                return alias.error().is(StoreErrc::not_found) ? no_such_alias(arn) : alias.error();
            }
            id = alias->key_id;
            aliases_.put(arn, id, generation);
        }
        found.alias = name.text;
    }
    Result<KnownKeyPtr> known = by_id(id);
    if (!known) {
        return known.error().is(KmsErrc::not_found) ? no_such_key(arn) : known.error();
    }
    // A key's bare id and an alias are the caller's account's.
    if ((*known)->account != account) {
        return by_alias ? no_such_alias(arn) : no_such_key(arn);
    }
    found.known = std::move(known).value();
    return found;
}

Result<std::shared_ptr<const OpenedMaterial>> Keyring::current(const Key& key) {
    if (key.current_material.empty()) {
        return Error(KmsErrc::kms_invalid_state, key.arn + " is pending import.");
    }
    return material(key, key.current_material);
}

Result<std::shared_ptr<const OpenedMaterial>> Keyring::material(const Key& key,
                                                                std::string_view material_id) {
    // A generation never changes, and its id is nobody else's: what is kept is true.
    const std::string name = key.id + "/" + std::string(material_id);
    if (const auto kept = materials_.find(name)) {
        return kept->value;
    }
    const Result<Material> stored = repository_.material(key.id, material_id);
    if (!stored) {
        if (stored.error().is(StoreErrc::not_found)) {
            return Error(KmsErrc::kms_invalid_state,
                         key.arn + " does not have this key material any more.");
        }
        return stored.error();
    }
    CASEMATE_TRY(OpenedMaterial opened, open_material(vault_, key.spec, *stored));
    auto shared = std::make_shared<const OpenedMaterial>(std::move(opened));
    materials_.put(name, shared, 0);
    return shared;
}

Result<Bytes> Keyring::public_key(const Key& key) {
    CASEMATE_TRY(const auto opened, current(key));
    if (const auto* curve = std::get_if<crypto::PrivateKey>(&opened->secret)) {
        return curve->public_key().spki();
    }
    if (const auto* rsa = std::get_if<crypto::RsaPrivateKey>(&opened->secret)) {
        return rsa->public_key().spki();
    }
    return Error(
        KmsErrc::unsupported_operation,
        key.arn + " key spec is " + std::string(name_of(key.spec)) + " which has no public key.");
}

void Keyring::forget(std::string_view key_id, std::string_view material_id) {
    materials_.forget(std::string(key_id) + "/" + std::string(material_id));
}

Result<std::shared_ptr<const KnownCaller>> Keyring::load_caller(std::string_view access_key_id) {
    const Result<User> user = repository_.user(access_key_id);
    if (!user) {
        if (user.error().is(StoreErrc::not_found)) {
            return std::shared_ptr<const KnownCaller>();
        }
        return user.error();
    }
    KnownCaller known;
    known.caller.arn = user->arn;
    known.caller.account = account_of(user->arn);
    known.caller.access_key_id = user->access_key_id;
    if (!user->policy.empty()) {
        CASEMATE_TRY(known.caller.policy, read_policy(user->policy, policy::Kind::identity_policy));
    }
    CASEMATE_TRY(known.secret,
                 vault_.unwrap(user->wrapped_secret, access_key_binding(user->access_key_id)));
    return std::make_shared<const KnownCaller>(std::move(known));
}

Result<std::shared_ptr<const KnownCaller>> Keyring::caller(std::string_view access_key_id) {
    CASEMATE_TRY(const std::uint64_t generation, repository_.generation());
    const auto kept = callers_.find(access_key_id);
    if (kept && kept->generation == generation) {
        return kept->value;
    }
    auto loaded = load_caller(access_key_id);
    if (!loaded || !*loaded) {
        // Who is not there is not kept: names that strangers make up would push out the others.
        callers_.forget(access_key_id);
        return loaded;
    }
    callers_.put(access_key_id, *loaded, generation);
    return loaded;
}

}  // namespace casemate::kms
