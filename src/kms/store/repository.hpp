// Repository: what the key management service keeps, in an SQL database. Each function is one
// transaction: after a kill at any moment it has happened whole or not at all, and what has been
// answered for has happened. All functions may be called from any thread, and by several processes
// on one database.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "kms/model.hpp"
#include "kms/store/database.hpp"
#include "kms/store/error.hpp"

namespace casemate::kms {

// Page: some of an ordered list. next is the marker to go on after; nothing: the list has ended.
template <class T>
struct Page {
    std::vector<T> items;
    std::optional<std::string> next;
};

// Thing: anything that is kept.
using Thing = std::variant<Setting, Key, Material, Alias, Grant, User>;

// Every function's errors include StoreErrc unavailable and damaged, and bad_text of those that
// take text.
class Repository {
public:
    // open opens the store: a directory (SQLite) or a postgresql:// URL, and brings its tables to
    // this version. connections bounds the connections made, each by the first who needs it.
    // Errors: StoreErrc bad_place; damaged also for a store of a later version.
    [[nodiscard]] static Result<std::unique_ptr<Repository>> open(const std::string& place,
                                                                  std::size_t connections = 16);
    // A repository on connections that open_one makes.
    using Opener = std::function<Result<std::unique_ptr<Database>>()>;
    [[nodiscard]] static Result<std::unique_ptr<Repository>> open(Opener open_one,
                                                                  std::size_t connections);
    ~Repository();
    Repository(const Repository&) = delete;
    Repository& operator=(const Repository&) = delete;

    // check asks the database for a sign of life.
    [[nodiscard]] Result<> check();

    // generation gives the number of changes that the store has ever had, of whatever process; one
    // that has been answered for is counted. It is for caches, and costs one short read.
    //
    // A cache asks for the generation FIRST and then reads what it keeps, under that generation; it
    // uses what it keeps only while a later answer is still that number. Then it never gives a
    // value that was outdated when it asked: a change and its count are one transaction, and both
    // databases show a transaction whole or not at all, and a later statement never less than an
    // earlier one. So whoever has read N sees in every later read all changes up to the Nth. Rows
    // may turn out to be newer than N: then N is no longer the answer, and they are read again for
    // nothing, once. With the order turned round, rows first, old rows would be kept under the new
    // number for ever. (PostgreSQL: reads and the generation must come from one server; a
    // replica that lags behind is none.)
    [[nodiscard]] Result<std::uint64_t> generation();

    // --- keys and their material ---

    // create_key stores a key with its tags and its first material, if it has one. Errors: exists.
    [[nodiscard]] Result<> create_key(const Key& key, const std::optional<Material>& first);
    // key gives one by its id. Errors: not_found.
    [[nodiscard]] Result<Key> key(std::string_view id);
    // update_key stores a changed key whose version is the one that was read, and counts the
    // version up, in the argument too. With it, material is added and removed: that is a rotation,
    // an import, the end of imported material. Errors: conflict when the key has changed since,
    // not_found for a key or a removed material that is not there, exists for an added one that is.
    [[nodiscard]] Result<> update_key(Key& key, const std::vector<Material>& added = {},
                                      const std::vector<std::string>& removed = {});
    // key_page lists keys by id, after a marker. limit is at least 1.
    [[nodiscard]] Result<Page<Key>> key_page(std::string_view after, std::size_t limit);
    // key_page_of lists those of one account by id: their ARNs begin with arn_prefix
    // ("arn:aws:kms:REGION:ACCOUNT:key/").
    [[nodiscard]] Result<Page<Key>> key_page_of(std::string_view arn_prefix, std::string_view after,
                                                std::size_t limit);
    // Those for which something is due at now, at most limit of them, the longest due first: keys
    // pending deletion, automatic rotations of enabled keys, imported material that has ended.
    [[nodiscard]] Result<std::vector<Key>> due_deletions(Time now, std::size_t limit);
    [[nodiscard]] Result<std::vector<Key>> due_rotations(Time now, std::size_t limit);
    [[nodiscard]] Result<std::vector<Key>> ended_imports(Time now, std::size_t limit);
    // delete_key removes a key with its material, aliases and grants. Errors: conflict when it is
    // not of that version any more; not_found.
    [[nodiscard]] Result<> delete_key(std::string_view id, std::uint64_t version);

    // material gives one generation. Errors: not_found.
    [[nodiscard]] Result<Material> material(std::string_view key_id, std::string_view id);
    // key_materials lists a key's generations, the first first, after a sequence number (0: all).
    [[nodiscard]] Result<std::vector<Material>> key_materials(std::string_view key_id,
                                                              std::uint32_t after,
                                                              std::size_t limit);
    // material_page lists everybody's, for wrapping them anew; the marker is opaque.
    [[nodiscard]] Result<Page<Material>> material_page(std::string_view after, std::size_t limit);
    // rewrap_material replaces what the vault made, if it still is before. Errors: conflict.
    [[nodiscard]] Result<> rewrap_material(const Material& before, ByteView wrapped);

    // --- aliases ---

    // Errors: exists; not_found when there is no such key.
    [[nodiscard]] Result<> create_alias(const Alias& alias);
    // move_alias lets an alias name another key, if it still names before's. Errors: conflict when
    // it does not, or is gone; not_found when there is no such key.
    [[nodiscard]] Result<> move_alias(const Alias& before, std::string_view key_id, Time now);
    // delete_alias removes an alias, if it still names before's key. Errors: conflict.
    [[nodiscard]] Result<> delete_alias(const Alias& before);
    // alias gives an account's. Errors: not_found.
    [[nodiscard]] Result<Alias> alias(std::string_view account, std::string_view name);
    // Lists by name, of an account or of a key.
    [[nodiscard]] Result<Page<Alias>> alias_page(std::string_view account, std::string_view after,
                                                 std::size_t limit);
    [[nodiscard]] Result<Page<Alias>> alias_page_of(std::string_view key_id, std::string_view after,
                                                    std::size_t limit);

    // --- grants ---

    // Errors: exists; not_found when there is no such key.
    [[nodiscard]] Result<> create_grant(const Grant& grant);
    // Errors: not_found, also when the grant is another key's.
    [[nodiscard]] Result<Grant> grant(std::string_view key_id, std::string_view id);
    [[nodiscard]] Result<> delete_grant(std::string_view key_id, std::string_view id);
    // grant_count counts a key's.
    [[nodiscard]] Result<std::size_t> grant_count(std::string_view key_id);
    // Lists a key's by id; those whose grantee is one principal; those that one may retire.
    [[nodiscard]] Result<Page<Grant>> grant_page(std::string_view key_id, std::string_view after,
                                                 std::size_t limit);
    [[nodiscard]] Result<std::vector<Grant>> grants_to(std::string_view key_id,
                                                       std::string_view grantee);
    [[nodiscard]] Result<Page<Grant>> retirable_grant_page(std::string_view retiring_principal,
                                                           std::string_view after,
                                                           std::size_t limit);

    // --- users ---

    // Errors: exists, for the access key id or the name.
    [[nodiscard]] Result<> create_user(const User& user);
    // Errors: not_found.
    [[nodiscard]] Result<User> user(std::string_view access_key_id);
    [[nodiscard]] Result<User> user_named(std::string_view name);
    [[nodiscard]] Result<> delete_user(std::string_view access_key_id);
    // Lists by access key id.
    [[nodiscard]] Result<Page<User>> user_page(std::string_view after, std::size_t limit);
    // put_user_policy replaces a caller's own policy; empty: none. Errors: not_found.
    [[nodiscard]] Result<> put_user_policy(std::string_view access_key_id, std::string_view policy);
    // Errors: conflict, as rewrap_material.
    [[nodiscard]] Result<> rewrap_user(const User& before, ByteView wrapped_secret);

    // --- settings ---

    [[nodiscard]] Result<std::optional<Bytes>> setting(std::string_view name);
    // put_setting stores a value if the present one is expected (nothing: there is none). Errors:
    // conflict.
    [[nodiscard]] Result<> put_setting(std::string_view name, ByteView value,
                                       const std::optional<Bytes>& expected);

    // setting_page lists those of the service by name; not the store's own.
    [[nodiscard]] Result<Page<Setting>> setting_page(std::string_view after, std::size_t limit);

    // --- everything ---

    // export_all gives take all that is kept, as it is at one moment: settings, keys, materials,
    // aliases, grants, users. Errors: also take's, at the first of which it ends.
    [[nodiscard]] Result<> export_all(const std::function<Result<>(const Thing&)>& take);
    // import_all stores what next gives until that is nothing, in one transaction; what refers to a
    // key comes after it. Errors:
    // not_empty when anything is kept already; exists and not_found for things that do not fit
    // together; next's. In each case nothing is stored.
    using Next = std::function<Result<std::optional<Thing>>()>;
    [[nodiscard]] Result<> import_all(const Next& next);

private:
    class Lease;

    Repository(Opener open_one, std::size_t connections);
    [[nodiscard]] Result<Lease> lease();
    [[nodiscard]] Result<Outcome> run(std::string_view sql,
                                      std::initializer_list<Value> parameters);
    [[nodiscard]] Result<> write(const std::function<Result<>(Database&)>& work);

    Opener open_one_;
    std::size_t most_;
    std::mutex mutex_;
    std::condition_variable returned_;
    std::size_t made_ = 0;
    std::vector<std::unique_ptr<Database>> free_;
};

}  // namespace casemate::kms
