#include "kms/store/repository.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "kms/store/columns.hpp"
#include "kms/store/statements.hpp"

namespace casemate::kms {

namespace {

constexpr std::string_view kPostgresql = "postgresql://";
constexpr std::string_view kPostgres = "postgres://";
// The version of the tables that this program reads and writes, and the setting that says it.
constexpr std::string_view kVersionSetting = "store/version";
constexpr std::string_view kVersion = "1";
constexpr std::chrono::seconds kPatience(30);
constexpr std::size_t kExportPage = 500;

Value text(std::string_view words) {
    return std::string(words);
}

Value number(std::size_t count) {
    return static_cast<std::int64_t>(count);
}

Error not_found(std::string_view what, std::string_view name) {
    return {StoreErrc::not_found,
            "expected " + std::string(what) + " " + std::string(name) + ", found none"};
}

template <class T>
Result<std::vector<T>> read_rows(const Rows& rows) {
    std::vector<T> things(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        CASEMATE_CHECK(read_row(rows[i], things[i]));
    }
    return things;
}

template <class T>
Result<T> read_one(const Rows& rows, std::string_view what, std::string_view name) {
    if (rows.empty()) {
        return not_found(what, name);
    }
    T thing;
    CASEMATE_CHECK(read_row(rows.front(), thing));
    return thing;
}

// read_page makes a page of the rows of a statement that was asked for one more than limit.
template <class T, class Marker>
Result<Page<T>> read_page(Rows rows, std::size_t limit, Marker marker_of) {
    const bool more = rows.size() > limit;
    if (more) {
        rows.resize(limit);
    }
    Page<T> page;
    CASEMATE_TRY(page.items, read_rows<T>(rows));
    if (more) {
        page.next = marker_of(page.items.back());
    }
    return page;
}

// The pages of all things of a kind, on any connection.
Result<Page<Setting>> page_of_settings(Database& database, std::string_view after,
                                       std::size_t limit) {
    // One more: the store's own setting is among them.
    CASEMATE_TRY(Outcome found, database.run(sql::kSettingPage, {text(after), number(limit + 2)}));
    std::erase_if(found.rows, [](const Row& row) {
        const auto* name = row.empty() ? nullptr : std::get_if<std::string>(&row.front());
        return name != nullptr && *name == kVersionSetting;
    });
    if (found.rows.size() > limit + 1) {
        found.rows.resize(limit + 1);
    }
    return read_page<Setting>(std::move(found.rows), limit,
                              [](const Setting& setting) { return setting.name; });
}

Result<Page<Key>> page_of_keys(Database& database, std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Outcome found, database.run(sql::kKeyPage, {text(after), number(limit + 1)}));
    return read_page<Key>(std::move(found.rows), limit, [](const Key& key) { return key.id; });
}

Result<Page<Material>> page_of_materials(Database& database, std::string_view after,
                                         std::size_t limit) {
    const std::size_t slash = std::min(after.find('/'), after.size());
    const std::string_view id = after.substr(std::min(slash + 1, after.size()));
    CASEMATE_TRY(Outcome found, database.run(sql::kMaterialPage, {text(after.substr(0, slash)),
                                                                  text(id), number(limit + 1)}));
    return read_page<Material>(std::move(found.rows), limit, [](const Material& material) {
        return material.key_id + "/" + material.id;
    });
}

Result<Page<Alias>> page_of_aliases(Database& database, std::string_view after, std::size_t limit) {
    const std::size_t slash = std::min(after.find('/'), after.size());
    const std::string_view name = after.substr(std::min(slash + 1, after.size()));
    CASEMATE_TRY(Outcome found,
                 database.run(sql::kEveryAliasPage,
                              {text(after.substr(0, slash)), text(name), number(limit + 1)}));
    return read_page<Alias>(std::move(found.rows), limit,
                            [](const Alias& alias) { return alias.account + "/" + alias.name; });
}

Result<Page<Grant>> page_of_grants(Database& database, std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Outcome found,
                 database.run(sql::kEveryGrantPage, {text(after), number(limit + 1)}));
    return read_page<Grant>(std::move(found.rows), limit,
                            [](const Grant& grant) { return grant.id; });
}

Result<Page<User>> page_of_users(Database& database, std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Outcome found, database.run(sql::kUserPage, {text(after), number(limit + 1)}));
    return read_page<User>(std::move(found.rows), limit,
                           [](const User& user) { return user.access_key_id; });
}

// export_pages gives take all things of a kind.
template <class T, class PageAfter>
Result<> export_pages(const std::function<Result<>(const Thing&)>& take, PageAfter page_after) {
    std::string marker;
    while (true) {
        CASEMATE_TRY(Page<T> page, page_after(marker));
        for (T& thing : page.items) {
            CASEMATE_CHECK(take(Thing(std::move(thing))));
        }
        if (!page.next) {
            return {};
        }
        marker = *page.next;
    }
}

Result<> require_empty(Database& database) {
    CASEMATE_TRY(const auto settings, page_of_settings(database, "", 1));
    CASEMATE_TRY(const auto keys, page_of_keys(database, "", 1));
    CASEMATE_TRY(const auto users, page_of_users(database, "", 1));
    if (!settings.items.empty() || !keys.items.empty() || !users.items.empty()) {
        return Error(StoreErrc::not_empty,
                     "expected a store without keys, users and settings, found " +
                         std::string(!keys.items.empty()    ? "keys"
                                     : !users.items.empty() ? "users"
                                                            : "settings"));
    }
    return {};
}

// A change that touches nothing: what was to be changed is not there.
Result<> require_changed(const Result<Outcome>& outcome, Error error) {
    if (!outcome) {
        return outcome.error();
    }
    if (outcome->changed == 0) {
        return error;
    }
    return {};
}

Error alias_changed(const Alias& before) {
    return {StoreErrc::conflict,
            "expected the alias " + before.name + " as it was read, found it changed or gone"};
}

Error no_generation() {
    return {StoreErrc::damaged, "expected the number of the store's changes, found none"};
}

// require_key_changed tells a key that has changed from one that is gone.
Result<> require_key_changed(Database& database, const Result<Outcome>& outcome,
                             std::string_view id) {
    if (!outcome) {
        return outcome.error();
    }
    if (outcome->changed != 0) {
        return {};
    }
    CASEMATE_TRY(const Outcome found, database.run(sql::kKey, {text(id)}));
    if (found.rows.empty()) {
        return not_found("the key", id);
    }
    return Error(StoreErrc::conflict,
                 "expected the key " + std::string(id) + " as it was read, found a later version");
}

Result<> insert(Database& database, std::string_view statement, const std::vector<Value>& columns) {
    CASEMATE_CHECK(database.run(statement, columns));
    return {};
}

Result<> insert_thing(Database& database, const Thing& thing) {
    constexpr std::array kStatements = {sql::kInsertSetting,  sql::kInsertKey,
                                        sql::kInsertMaterial, sql::kInsertAlias,
                                        sql::kInsertGrant,    sql::kInsertUser};
    static_assert(kStatements.size() == std::variant_size_v<Thing>);
    return std::visit(
        [&](const auto& one) {
            return insert(database, kStatements.at(thing.index()), in_columns(one));
        },
        thing);
}

Result<> make_tables(Database& database) {
    for (const std::string_view definition : sql::kVersion1) {
        CASEMATE_CHECK(database.run(database.adapted(definition)));
    }
    CASEMATE_CHECK(database.run(sql::kStartGeneration));
    CASEMATE_CHECK(database.run(sql::kInsertSetting,
                                {text(kVersionSetting), Bytes(kVersion.begin(), kVersion.end())}));
    return {};
}

// bring_up_to_date makes the tables where there are none.
Result<> bring_up_to_date(Database& database) {
    return database.transaction([&]() -> Result<> {
        CASEMATE_TRY(const bool made, database.has_table("kms_settings"));
        if (!made) {
            return make_tables(database);
        }
        CASEMATE_TRY(const Outcome found, database.run(sql::kSetting, {text(kVersionSetting)}));
        const auto* version =
            found.rows.empty() ? nullptr : std::get_if<Bytes>(&found.rows.front().front());
        if (version == nullptr || as_text(*version) != kVersion) {
            return Error(StoreErrc::damaged,
                         "expected a store of version " + std::string(kVersion) + ", found " +
                             (version == nullptr ? "one without a version"
                                                 : "version " + std::string(as_text(*version))));
        }
        return {};
    });
}

}  // namespace

// Lease: a connection on loan; it goes back by itself.
class Repository::Lease {
public:
    Lease(Repository& owner, std::unique_ptr<Database> database)
        : owner_(&owner), database_(std::move(database)) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&& other) = delete;
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        if (database_) {
            const std::lock_guard lock(owner_->mutex_);
            owner_->free_.push_back(std::move(database_));
            owner_->returned_.notify_one();
        }
    }

    Database& operator*() { return *database_; }

private:
    Repository* owner_;
    std::unique_ptr<Database> database_;
};

Repository::Repository(Opener open_one, std::size_t connections)
    : open_one_(std::move(open_one)), most_(std::max<std::size_t>(connections, 1)) {
}

Repository::~Repository() = default;

Result<std::unique_ptr<Repository>> Repository::open(const std::string& place,
                                                     std::size_t connections) {
    if (place.starts_with(kPostgresql) || place.starts_with(kPostgres)) {
        return open([place] { return open_postgresql(place); }, connections);
    }
    return open([place] { return open_sqlite(place); }, connections);
}

Result<std::unique_ptr<Repository>> Repository::open(Opener open_one, std::size_t connections) {
    std::unique_ptr<Repository> repository(new Repository(std::move(open_one), connections));
    CASEMATE_TRY(Lease database, repository->lease());
    Result<> done = bring_up_to_date(*database);
    // Who makes the tables at the same time is told that they exist.
    for (int again = 0; !done && done.error().is(StoreErrc::exists) && again < 10; ++again) {
        done = bring_up_to_date(*database);
    }
    CASEMATE_CHECK(done);
    return repository;
}

Result<Repository::Lease> Repository::lease() {
    std::unique_lock lock(mutex_);
    if (free_.empty() && made_ < most_) {
        ++made_;
        lock.unlock();
        auto made = open_one_();
        if (!made) {
            lock.lock();
            --made_;
            returned_.notify_one();
            return std::move(made).error();
        }
        return Lease(*this, std::move(made).value());
    }
    if (!returned_.wait_for(lock, kPatience, [this] { return !free_.empty(); })) {
        return Error(StoreErrc::unavailable, "expected one of " + std::to_string(most_) +
                                                 " connections to be free within " +
                                                 std::to_string(kPatience.count()) +
                                                 " s, found them all busy");
    }
    std::unique_ptr<Database> database = std::move(free_.back());
    free_.pop_back();
    return Lease(*this, std::move(database));
}

Result<Outcome> Repository::run(std::string_view sql, std::initializer_list<Value> parameters) {
    CASEMATE_TRY(Lease database, lease());
    return (*database).run(sql, parameters);
}

Result<> Repository::write(const std::function<Result<>(Database&)>& work) {
    CASEMATE_TRY(Lease database, lease());
    return (*database).transaction([&]() -> Result<> {
        CASEMATE_CHECK((*database).wait_for_turn(sql::kGenerationTable));
        CASEMATE_CHECK(work(*database));
        return require_changed((*database).run(sql::kCountUp), no_generation());
    });
}

Result<> Repository::check() {
    CASEMATE_CHECK(run(sql::kCheck, {}));
    return {};
}

Result<std::uint64_t> Repository::generation() {
    CASEMATE_TRY(const Outcome found, run(sql::kGeneration, {}));
    const auto* count =
        found.rows.empty() ? nullptr : std::get_if<std::int64_t>(&found.rows.front().front());
    if (count == nullptr) {
        return no_generation();
    }
    return static_cast<std::uint64_t>(*count);
}

Result<> Repository::create_key(const Key& key, const std::optional<Material>& first) {
    return write([&](Database& database) -> Result<> {
        CASEMATE_CHECK(insert(database, sql::kInsertKey, in_columns(key)));
        if (first) {
            CASEMATE_CHECK(insert(database, sql::kInsertMaterial, in_columns(*first)));
        }
        return {};
    });
}

Result<Key> Repository::key(std::string_view id) {
    CASEMATE_TRY(const Outcome found, run(sql::kKey, {text(id)}));
    return read_one<Key>(found.rows, "the key", id);
}

Result<> Repository::update_key(Key& key, const std::vector<Material>& added,
                                const std::vector<std::string>& removed) {
    const std::uint64_t version = key.version + 1;
    auto done = write([&](Database& database) -> Result<> {
        CASEMATE_CHECK(require_key_changed(
            database,
            database.run(
                sql::kUpdateKey,
                {key.id, static_cast<std::int64_t>(key.version), text(name_of(key.state)),
                 key.description, as_value(key.deletion_date), key.policy, encode_texts(key.tags),
                 as_value(key.rotation_days), as_value(key.next_rotation), key.current_material,
                 as_value(key.valid_to), static_cast<std::int64_t>(version)}),
            key.id));
        for (const std::string& id : removed) {
            CASEMATE_CHECK(require_changed(database.run(sql::kDeleteMaterial, {key.id, id}),
                                           not_found("the material", id)));
        }
        for (const Material& material : added) {
            CASEMATE_CHECK(insert(database, sql::kInsertMaterial, in_columns(material)));
        }
        return {};
    });
    if (done) {
        key.version = version;
    }
    return done;
}

Result<Page<Key>> Repository::key_page(std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Lease database, lease());
    return page_of_keys(*database, after, limit);
}

Result<Page<Key>> Repository::key_page_of(std::string_view arn_prefix, std::string_view after,
                                          std::size_t limit) {
    // Ids are hexadecimal digits and dashes: all before the tilde.
    const std::string prefix(arn_prefix);
    CASEMATE_TRY(Outcome found, run(sql::kKeyPageOf, {prefix + std::string(after), prefix + "~",
                                                      number(limit + 1)}));
    return read_page<Key>(std::move(found.rows), limit, [](const Key& key) { return key.id; });
}

Result<std::vector<Key>> Repository::due_deletions(Time now, std::size_t limit) {
    CASEMATE_TRY(const Outcome found, run(sql::kDueDeletions, {as_value(now), number(limit)}));
    return read_rows<Key>(found.rows);
}

Result<std::vector<Key>> Repository::due_rotations(Time now, std::size_t limit) {
    CASEMATE_TRY(const Outcome found, run(sql::kDueRotations, {as_value(now), number(limit)}));
    return read_rows<Key>(found.rows);
}

Result<std::vector<Key>> Repository::ended_imports(Time now, std::size_t limit) {
    CASEMATE_TRY(const Outcome found, run(sql::kEndedImports, {as_value(now), number(limit)}));
    return read_rows<Key>(found.rows);
}

Result<> Repository::delete_key(std::string_view id, std::uint64_t version) {
    return write([&](Database& database) {
        return require_key_changed(
            database, database.run(sql::kDeleteKey, {text(id), static_cast<std::int64_t>(version)}),
            id);
    });
}

Result<Material> Repository::material(std::string_view key_id, std::string_view id) {
    CASEMATE_TRY(const Outcome found, run(sql::kMaterial, {text(key_id), text(id)}));
    return read_one<Material>(found.rows, "the material", id);
}

Result<std::vector<Material>> Repository::key_materials(std::string_view key_id,
                                                        std::uint32_t after, std::size_t limit) {
    CASEMATE_TRY(const Outcome found,
                 run(sql::kKeyMaterials, {text(key_id), std::int64_t{after}, number(limit)}));
    return read_rows<Material>(found.rows);
}

Result<Page<Material>> Repository::material_page(std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Lease database, lease());
    return page_of_materials(*database, after, limit);
}

Result<> Repository::rewrap_material(const Material& before, ByteView wrapped) {
    return write([&](Database& database) {
        return require_changed(
            database.run(sql::kRewrapMaterial, {before.key_id, before.id, before.wrapped,
                                                Bytes(wrapped.begin(), wrapped.end())}),
            Error(StoreErrc::conflict, "expected the material " + before.id +
                                           " as it was read, found it changed or gone"));
    });
}

Result<> Repository::create_alias(const Alias& alias) {
    return write(
        [&](Database& database) { return insert(database, sql::kInsertAlias, in_columns(alias)); });
}

Result<> Repository::move_alias(const Alias& before, std::string_view key_id, Time now) {
    return write([&](Database& database) {
        return require_changed(
            database.run(sql::kMoveAlias,
                         {before.account, before.name, before.key_id, text(key_id), as_value(now)}),
            alias_changed(before));
    });
}

Result<> Repository::delete_alias(const Alias& before) {
    return write([&](Database& database) {
        return require_changed(
            database.run(sql::kDeleteAlias, {before.account, before.name, before.key_id}),
            alias_changed(before));
    });
}

Result<Alias> Repository::alias(std::string_view account, std::string_view name) {
    CASEMATE_TRY(const Outcome found, run(sql::kAlias, {text(account), text(name)}));
    return read_one<Alias>(found.rows, "the alias", name);
}

Result<Page<Alias>> Repository::alias_page(std::string_view account, std::string_view after,
                                           std::size_t limit) {
    CASEMATE_TRY(Outcome found,
                 run(sql::kAliasPage, {text(account), text(after), number(limit + 1)}));
    return read_page<Alias>(std::move(found.rows), limit,
                            [](const Alias& alias) { return alias.name; });
}

Result<Page<Alias>> Repository::alias_page_of(std::string_view key_id, std::string_view after,
                                              std::size_t limit) {
    CASEMATE_TRY(Outcome found,
                 run(sql::kAliasPageOf, {text(key_id), text(after), number(limit + 1)}));
    return read_page<Alias>(std::move(found.rows), limit,
                            [](const Alias& alias) { return alias.name; });
}

Result<> Repository::create_grant(const Grant& grant) {
    return write(
        [&](Database& database) { return insert(database, sql::kInsertGrant, in_columns(grant)); });
}

Result<Grant> Repository::grant(std::string_view key_id, std::string_view id) {
    CASEMATE_TRY(const Outcome found, run(sql::kGrant, {text(id), text(key_id)}));
    return read_one<Grant>(found.rows, "the grant", id);
}

Result<> Repository::delete_grant(std::string_view key_id, std::string_view id) {
    return write([&](Database& database) {
        return require_changed(database.run(sql::kDeleteGrant, {text(id), text(key_id)}),
                               not_found("the grant", id));
    });
}

Result<std::size_t> Repository::grant_count(std::string_view key_id) {
    CASEMATE_TRY(const Outcome found, run(sql::kGrantCount, {text(key_id)}));
    const auto* count =
        found.rows.empty() ? nullptr : std::get_if<std::int64_t>(&found.rows.front().front());
    if (count == nullptr) {
        return Error(StoreErrc::damaged, "expected the number of a key's grants, found none");
    }
    return static_cast<std::size_t>(*count);
}

Result<Page<Grant>> Repository::grant_page(std::string_view key_id, std::string_view after,
                                           std::size_t limit) {
    CASEMATE_TRY(Outcome found,
                 run(sql::kGrantPage, {text(key_id), text(after), number(limit + 1)}));
    return read_page<Grant>(std::move(found.rows), limit,
                            [](const Grant& grant) { return grant.id; });
}

Result<std::vector<Grant>> Repository::grants_to(std::string_view key_id,
                                                 std::string_view grantee) {
    CASEMATE_TRY(const Outcome found, run(sql::kGrantsTo, {text(key_id), text(grantee)}));
    return read_rows<Grant>(found.rows);
}

Result<Page<Grant>> Repository::retirable_grant_page(std::string_view retiring_principal,
                                                     std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Outcome found, run(sql::kRetirableGrantPage,
                                    {text(retiring_principal), text(after), number(limit + 1)}));
    return read_page<Grant>(std::move(found.rows), limit,
                            [](const Grant& grant) { return grant.id; });
}

Result<> Repository::create_user(const User& user) {
    return write(
        [&](Database& database) { return insert(database, sql::kInsertUser, in_columns(user)); });
}

Result<User> Repository::user(std::string_view access_key_id) {
    CASEMATE_TRY(const Outcome found, run(sql::kUser, {text(access_key_id)}));
    return read_one<User>(found.rows, "the access key", access_key_id);
}

Result<User> Repository::user_named(std::string_view name) {
    CASEMATE_TRY(const Outcome found, run(sql::kUserNamed, {text(name)}));
    return read_one<User>(found.rows, "the caller", name);
}

Result<> Repository::delete_user(std::string_view access_key_id) {
    return write([&](Database& database) {
        return require_changed(database.run(sql::kDeleteUser, {text(access_key_id)}),
                               not_found("the access key", access_key_id));
    });
}

Result<> Repository::put_user_policy(std::string_view access_key_id, std::string_view policy) {
    return write([&](Database& database) {
        return require_changed(
            database.run(sql::kUpdateUserPolicy, {text(access_key_id), text(policy)}),
            not_found("the access key", access_key_id));
    });
}

Result<Page<User>> Repository::user_page(std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Lease database, lease());
    return page_of_users(*database, after, limit);
}

Result<> Repository::rewrap_user(const User& before, ByteView wrapped_secret) {
    return write([&](Database& database) {
        return require_changed(
            database.run(sql::kRewrapUser, {before.access_key_id, before.wrapped_secret,
                                            Bytes(wrapped_secret.begin(), wrapped_secret.end())}),
            Error(StoreErrc::conflict, "expected the access key " + before.access_key_id +
                                           " as it was read, found it changed or gone"));
    });
}

Result<std::optional<Bytes>> Repository::setting(std::string_view name) {
    CASEMATE_TRY(Outcome found, run(sql::kSetting, {text(name)}));
    if (found.rows.empty()) {
        return std::optional<Bytes>();
    }
    auto* value = std::get_if<Bytes>(&found.rows.front().front());
    if (value == nullptr) {
        return Error(StoreErrc::damaged, "expected bytes as setting " + std::string(name));
    }
    return std::optional<Bytes>(std::move(*value));
}

Result<> Repository::put_setting(std::string_view name, ByteView value,
                                 const std::optional<Bytes>& expected) {
    const Error changed(StoreErrc::conflict,
                        "expected the setting " + std::string(name) + " as it was read");
    const Bytes content(value.begin(), value.end());
    auto done = write([&](Database& database) -> Result<> {
        if (expected) {
            return require_changed(
                database.run(sql::kUpdateSetting, {text(name), content, *expected}), changed);
        }
        return insert(database, sql::kInsertSetting, {text(name), content});
    });
    if (!done && done.error().is(StoreErrc::exists)) {
        return changed;
    }
    return done;
}

Result<Page<Setting>> Repository::setting_page(std::string_view after, std::size_t limit) {
    CASEMATE_TRY(Lease database, lease());
    return page_of_settings(*database, after, limit);
}

Result<> Repository::export_all(const std::function<Result<>(const Thing&)>& take) {
    CASEMATE_TRY(Lease leased, lease());
    Database& database = *leased;
    return database.snapshot([&]() -> Result<> {
        CASEMATE_CHECK(export_pages<Setting>(take, [&](std::string_view after) {
            return page_of_settings(database, after, kExportPage);
        }));
        CASEMATE_CHECK(export_pages<Key>(take, [&](std::string_view after) {
            return page_of_keys(database, after, kExportPage);
        }));
        CASEMATE_CHECK(export_pages<Material>(take, [&](std::string_view after) {
            return page_of_materials(database, after, kExportPage);
        }));
        CASEMATE_CHECK(export_pages<Alias>(take, [&](std::string_view after) {
            return page_of_aliases(database, after, kExportPage);
        }));
        CASEMATE_CHECK(export_pages<Grant>(take, [&](std::string_view after) {
            return page_of_grants(database, after, kExportPage);
        }));
        return export_pages<User>(take, [&](std::string_view after) {
            return page_of_users(database, after, kExportPage);
        });
    });
}

Result<> Repository::import_all(const Next& next) {
    bool begun = false;
    return write([&](Database& database) -> Result<> {
        // What next has given is gone.
        if (begun) {
            return Error(StoreErrc::unavailable,
                         "expected a moment without others' changes, found none");
        }
        begun = true;
        CASEMATE_CHECK(require_empty(database));
        while (true) {
            CASEMATE_TRY(const std::optional<Thing> thing, next());
            if (!thing) {
                return {};
            }
            CASEMATE_CHECK(insert_thing(database, *thing));
        }
    });
}

}  // namespace casemate::kms
