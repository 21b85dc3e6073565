#include "kms/core/generations.hpp"

#include <mutex>

#include "kms/core/material.hpp"

namespace casemate::kms {

namespace {

constexpr int kTries = 20;

// Those of this process who try again do it one at a time: of many who change one key at once
// nobody loses each time.
std::mutex& turn() {
    static std::mutex mutex;
    return mutex;
}

}  // namespace

Result<> change_key(Core& core, std::string_view id,
                    const std::function<Result<>(Key& key)>& change) {
    std::unique_lock waiting(turn(), std::defer_lock);
    for (int tries = 1;; ++tries) {
        Result<Key> key = core.repository.key(id);
        if (!key) {
            if (key.error().is(StoreErrc::not_found)) {
                return Error(KmsErrc::not_found, "Key '" + std::string(id) + "' does not exist");
            }
            return std::move(key).error();
        }
        Result<> done = change(*key);
        if (done || !done.error().is(StoreErrc::conflict) || tries == kTries) {
            return done;
        }
        if (!waiting.owns_lock()) {
            waiting.lock();
        }
    }
}

Result<> add_generation(Core& core, Key& key, std::string_view rotation, Time now) {
    if (key.current_material.empty()) {
        return Error(KmsErrc::kms_invalid_state, key.arn + " is pending import.");
    }
    // The one that encrypts now is the last.
    CASEMATE_TRY(const Material last, core.repository.material(key.id, key.current_material));
    CASEMATE_TRY(const NewSecret secret, generate_secret(key.spec));
    CASEMATE_TRY(const Material next,
                 wrap_material(core.vault, key.id, secret, last.sequence + 1, rotation, now));
    key.current_material = next.id;
    return core.repository.update_key(key, {next});
}

Result<> remove_imported(Core& core, Key& key) {
    if (key.current_material.empty()) {
        return {};
    }
    const std::string removed = key.current_material;
    key.current_material.clear();
    key.valid_to.reset();
    if (key.state != KeyState::pending_deletion) {
        key.state = KeyState::pending_import;
    }
    CASEMATE_CHECK(core.repository.update_key(key, {}, {removed}));
    core.keyring.forget(key.id, removed);
    return {};
}

}  // namespace casemate::kms
