#include "kms/vault/rewrap.hpp"

namespace casemate::kms {

namespace {

constexpr std::size_t kPage = 100;

// wrapped_anew gives a secret under the current root key.
Result<Bytes> wrapped_anew(const Vault& vault, ByteView wrapped, const std::string& binding) {
    CASEMATE_TRY(const SecretBytes secret, vault.unwrap(wrapped, binding));
    return vault.wrap(secret.view(), binding);
}

// Pass: what one look at everything did. seen counts what was under an older root key, wrapped what
// was stored anew; the others somebody has changed or removed meanwhile, so that another pass
// looks.
struct Pass {
    std::uint64_t seen = 0;
    std::uint64_t wrapped = 0;
};

Result<> count(const Result<>& done, Pass& pass) {
    if (!done && !done.error().is(StoreErrc::conflict)) {
        return done.error();
    }
    ++pass.seen;
    pass.wrapped += done ? 1U : 0U;
    return {};
}

Result<> rewrap_one(const Vault& vault, Repository& repository, const Material& material,
                    Pass& pass) {
    if (vault.is_current(material.wrapped)) {
        return {};
    }
    CASEMATE_TRY(const Bytes wrapped, wrapped_anew(vault, material.wrapped,
                                                   material_binding(material.key_id, material.id)));
    return count(repository.rewrap_material(material, wrapped), pass);
}

Result<> rewrap_one(const Vault& vault, Repository& repository, const User& user, Pass& pass) {
    if (vault.is_current(user.wrapped_secret)) {
        return {};
    }
    CASEMATE_TRY(const Bytes wrapped,
                 wrapped_anew(vault, user.wrapped_secret, access_key_binding(user.access_key_id)));
    return count(repository.rewrap_user(user, wrapped), pass);
}

Result<> rewrap_one(const Vault& vault, Repository& repository, const Setting& setting,
                    Pass& pass) {
    if (!Vault::is_wrapped(setting.value) || vault.is_current(setting.value)) {
        return {};
    }
    CASEMATE_TRY(const Bytes wrapped,
                 wrapped_anew(vault, setting.value, setting_binding(setting.name)));
    return count(repository.put_setting(setting.name, wrapped, setting.value), pass);
}

template <class T>
Result<> rewrap_all(const Vault& vault, Repository& repository,
                    Result<Page<T>> (Repository::*list)(std::string_view, std::size_t),
                    Pass& pass) {
    std::string marker;
    while (true) {
        CASEMATE_TRY(const Page<T> page, (repository.*list)(marker, kPage));
        for (const T& thing : page.items) {
            CASEMATE_CHECK(rewrap_one(vault, repository, thing, pass));
        }
        if (!page.next) {
            return {};
        }
        marker = *page.next;
    }
}

}  // namespace

Result<std::uint64_t> rewrap(Vault& vault, Repository& repository) {
    std::uint64_t wrapped = 0;
    // Until a pass has found nothing to do: what was read before the rotation may be stored after.
    while (true) {
        Pass pass;
        CASEMATE_CHECK(rewrap_all<Material>(vault, repository, &Repository::material_page, pass));
        CASEMATE_CHECK(rewrap_all<User>(vault, repository, &Repository::user_page, pass));
        CASEMATE_CHECK(rewrap_all<Setting>(vault, repository, &Repository::setting_page, pass));
        wrapped += pass.wrapped;
        if (pass.seen == 0) {
            break;
        }
    }
    CASEMATE_CHECK(vault.forget_old());
    return wrapped;
}

}  // namespace casemate::kms
