#include "kms/core/generations.hpp"

#include "kms/core/material.hpp"

namespace casemate::kms {

namespace {

constexpr int kTries = 10;

}  // namespace

Result<> change_key(Core& core, std::string_view id,
                    const std::function<Result<>(Key& key)>& change) {
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
