// Keyring: the keys of the store as operations use them. What was used last is kept, opened; each
// find asks the store whether anything has changed since, so that a policy put, a key disabled or a
// caller removed by another process counts from the next request on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kms/core/cache.hpp"
#include "kms/core/call.hpp"
#include "kms/core/material.hpp"
#include "kms/core/names.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// KnownKey: a key as it was read.
struct KnownKey {
    Key key;
    policy::Policy policy;
    // aliases of the key, with "alias/"; at most 50.
    std::vector<std::string> aliases;
    // account that owns it.
    std::string account;
};
using KnownKeyPtr = std::shared_ptr<const KnownKey>;

// NamedKey: a key and the alias that it was asked by; empty: none.
struct NamedKey {
    KnownKeyPtr known;
    std::string alias;

    [[nodiscard]] const Key& key() const { return known->key; }
};

// KnownCaller: an access key as it was read.
struct KnownCaller {
    Caller caller;
    SecretBytes secret;
};

// All functions may be called from any thread.
class Keyring {
public:
    // repository and vault are borrowed. capacity: how many keys, materials and callers are kept.
    Keyring(Repository& repository, const Vault& vault, std::string region,
            std::size_t capacity = 10'000);

    // find gives the key that a KeyId names for a caller: an alias without an account is the
    // caller's account's. Errors: those of parse_key_name; KmsErrc not_found, with AWS's sentence,
    // also for a key of another region; StoreErrc.
    [[nodiscard]] Result<NamedKey> find(std::string_view key_id, const Caller& caller);
    // by_id gives a key by its id. Errors: KmsErrc not_found, StoreErrc.
    [[nodiscard]] Result<KnownKeyPtr> by_id(std::string_view id);

    // current opens the material that encrypts now; material any generation. Errors: KmsErrc
    // kms_invalid_state where there is none yet, or no more; VaultErrc, CryptoErrc, StoreErrc.
    [[nodiscard]] Result<std::shared_ptr<const OpenedMaterial>> current(const Key& key);
    [[nodiscard]] Result<std::shared_ptr<const OpenedMaterial>> material(
        const Key& key, std::string_view material_id);
    // public_key gives the current generation's DER SubjectPublicKeyInfo. Errors: as current.
    [[nodiscard]] Result<Bytes> public_key(const Key& key);
    // forget cleanses a generation that was deleted, once its last user lets go.
    void forget(std::string_view key_id, std::string_view material_id);

    // caller gives who has an access key; nullptr: nobody. Errors: StoreErrc, VaultErrc.
    [[nodiscard]] Result<std::shared_ptr<const KnownCaller>> caller(std::string_view access_key_id);

    [[nodiscard]] const std::string& region() const { return region_; }

private:
    [[nodiscard]] Result<KnownKeyPtr> load(std::string_view id, const KnownKeyPtr& before);
    [[nodiscard]] Result<std::shared_ptr<const KnownCaller>> load_caller(
        std::string_view access_key_id);

    Repository& repository_;
    const Vault& vault_;
    std::string region_;
    Cache<KnownKeyPtr> keys_;
    // alias's ARN → key id.
    Cache<std::string> aliases_;
    Cache<std::shared_ptr<const OpenedMaterial>> materials_;
    Cache<std::shared_ptr<const KnownCaller>> callers_;
};

}  // namespace casemate::kms
