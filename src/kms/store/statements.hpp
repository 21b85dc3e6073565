// The store's SQL, in the words that SQLite and PostgreSQL have in common. Each reading statement
// finds its rows by an index: the cost does not grow with the number of keys.
#pragma once

#include <array>
#include <string_view>

namespace casemate::kms::sql {

// The tables, as version 1 of the store has them.
inline constexpr std::array<std::string_view, 15> kVersion1 = {
    "CREATE TABLE kms_settings (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL)",
    "CREATE TABLE kms_keys (id TEXT PRIMARY KEY NOT NULL, arn TEXT NOT NULL, spec TEXT NOT NULL, "
    "usage TEXT NOT NULL, state TEXT NOT NULL, origin TEXT NOT NULL, description TEXT NOT NULL, "
    "created BIGINT NOT NULL, deletion_date BIGINT, policy TEXT NOT NULL, tags BLOB NOT NULL, "
    "rotation_days BIGINT, next_rotation BIGINT, current_material TEXT NOT NULL, "
    "valid_to BIGINT, version BIGINT NOT NULL)",
    "CREATE INDEX kms_keys_arn ON kms_keys (arn)",
    "CREATE INDEX kms_keys_deletion ON kms_keys (deletion_date) WHERE deletion_date IS NOT NULL",
    "CREATE INDEX kms_keys_rotation ON kms_keys (next_rotation) WHERE next_rotation IS NOT NULL",
    "CREATE INDEX kms_keys_valid_to ON kms_keys (valid_to) WHERE valid_to IS NOT NULL",
    "CREATE TABLE kms_materials (key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE, "
    "id TEXT NOT NULL, sequence BIGINT NOT NULL, wrapped BLOB NOT NULL, created BIGINT NOT NULL, "
    "public_key BLOB NOT NULL, rotation TEXT NOT NULL, PRIMARY KEY (key_id, id), "
    "UNIQUE (key_id, sequence))",
    "CREATE TABLE kms_aliases (account TEXT NOT NULL, name TEXT NOT NULL, "
    "key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE, "
    "created BIGINT NOT NULL, updated BIGINT NOT NULL, PRIMARY KEY (account, name))",
    "CREATE INDEX kms_aliases_key ON kms_aliases (key_id, name)",
    "CREATE TABLE kms_grants (id TEXT PRIMARY KEY NOT NULL, "
    "key_id TEXT NOT NULL REFERENCES kms_keys (id) ON DELETE CASCADE, name TEXT NOT NULL, "
    "grantee TEXT NOT NULL, retiring_principal TEXT NOT NULL, issuing_account TEXT NOT NULL, "
    "operations BLOB NOT NULL, context BLOB, subset BIGINT NOT NULL, created BIGINT NOT NULL)",
    "CREATE INDEX kms_grants_key ON kms_grants (key_id, id)",
    "CREATE INDEX kms_grants_grantee ON kms_grants (key_id, grantee, id)",
    "CREATE INDEX kms_grants_retiring ON kms_grants (retiring_principal, id)",
    "CREATE TABLE kms_users (access_key_id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE NOT NULL, "
    "arn TEXT NOT NULL, wrapped_secret BLOB NOT NULL, policy TEXT NOT NULL, "
    "created BIGINT NOT NULL)",
    "CREATE TABLE kms_generation (line BIGINT PRIMARY KEY NOT NULL, count BIGINT NOT NULL)",
};
inline constexpr std::string_view kGenerationTable = "kms_generation";

#define CASEMATE_KEY_COLUMNS                                                                   \
    "id, arn, spec, usage, state, origin, description, created, deletion_date, policy, tags, " \
    "rotation_days, next_rotation, current_material, valid_to, version"
#define CASEMATE_MATERIAL_COLUMNS "key_id, id, sequence, wrapped, created, public_key, rotation"
#define CASEMATE_ALIAS_COLUMNS "account, name, key_id, created, updated"
#define CASEMATE_GRANT_COLUMNS                                                              \
    "id, key_id, name, grantee, retiring_principal, issuing_account, operations, context, " \
    "subset, created"
#define CASEMATE_USER_COLUMNS "access_key_id, name, arn, wrapped_secret, policy, created"

inline constexpr std::string_view kCheck = "SELECT 1";

// The number of changes, in the one line of its table.
inline constexpr std::string_view kStartGeneration =
    "INSERT INTO kms_generation (line, count) VALUES (1, 0)";
inline constexpr std::string_view kCountUp =
    "UPDATE kms_generation SET count = count + 1 WHERE line = 1";
inline constexpr std::string_view kGeneration = "SELECT count FROM kms_generation WHERE line = 1";

inline constexpr std::string_view kInsertKey =
    "INSERT INTO kms_keys (" CASEMATE_KEY_COLUMNS
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
inline constexpr std::string_view kUpdateKey =
    "UPDATE kms_keys SET state = $3, description = $4, deletion_date = $5, policy = $6, "
    "tags = $7, rotation_days = $8, next_rotation = $9, current_material = $10, valid_to = $11, "
    "version = $12 WHERE id = $1 AND version = $2";
inline constexpr std::string_view kDeleteKey =
    "DELETE FROM kms_keys WHERE id = $1 AND version = $2";
inline constexpr std::string_view kInsertMaterial =
    "INSERT INTO kms_materials (" CASEMATE_MATERIAL_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)";
inline constexpr std::string_view kDeleteMaterial =
    "DELETE FROM kms_materials WHERE key_id = $1 AND id = $2";
inline constexpr std::string_view kRewrapMaterial =
    "UPDATE kms_materials SET wrapped = $4 WHERE key_id = $1 AND id = $2 AND wrapped = $3";
inline constexpr std::string_view kInsertAlias =
    "INSERT INTO kms_aliases (" CASEMATE_ALIAS_COLUMNS ") VALUES ($1, $2, $3, $4, $5)";
inline constexpr std::string_view kMoveAlias =
    "UPDATE kms_aliases SET key_id = $4, updated = $5 "
    "WHERE account = $1 AND name = $2 AND key_id = $3";
inline constexpr std::string_view kDeleteAlias =
    "DELETE FROM kms_aliases WHERE account = $1 AND name = $2 AND key_id = $3";
inline constexpr std::string_view kInsertGrant =
    "INSERT INTO kms_grants (" CASEMATE_GRANT_COLUMNS
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
inline constexpr std::string_view kDeleteGrant =
    "DELETE FROM kms_grants WHERE id = $1 AND key_id = $2";
inline constexpr std::string_view kInsertUser =
    "INSERT INTO kms_users (" CASEMATE_USER_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6)";
inline constexpr std::string_view kDeleteUser = "DELETE FROM kms_users WHERE access_key_id = $1";
inline constexpr std::string_view kUpdateUserPolicy =
    "UPDATE kms_users SET policy = $2 WHERE access_key_id = $1";
inline constexpr std::string_view kRewrapUser =
    "UPDATE kms_users SET wrapped_secret = $3 WHERE access_key_id = $1 AND wrapped_secret = $2";
inline constexpr std::string_view kInsertSetting =
    "INSERT INTO kms_settings (name, value) VALUES ($1, $2)";
inline constexpr std::string_view kUpdateSetting =
    "UPDATE kms_settings SET value = $2 WHERE name = $1 AND value = $3";

inline constexpr std::string_view kKey =
    "SELECT " CASEMATE_KEY_COLUMNS " FROM kms_keys WHERE id = $1";
inline constexpr std::string_view kKeyPage =
    "SELECT " CASEMATE_KEY_COLUMNS " FROM kms_keys WHERE id > $1 ORDER BY id LIMIT $2";
inline constexpr std::string_view kKeyPageOf =
    "SELECT " CASEMATE_KEY_COLUMNS
    " FROM kms_keys WHERE arn > $1 AND arn < $2 ORDER BY arn LIMIT $3";
inline constexpr std::string_view kDueDeletions =
    "SELECT " CASEMATE_KEY_COLUMNS
    " FROM kms_keys WHERE deletion_date IS NOT NULL AND deletion_date <= $1 "
    "ORDER BY deletion_date LIMIT $2";
inline constexpr std::string_view kDueRotations =
    "SELECT " CASEMATE_KEY_COLUMNS
    " FROM kms_keys WHERE next_rotation IS NOT NULL AND next_rotation <= $1 "
    "AND state = 'Enabled' ORDER BY next_rotation LIMIT $2";
inline constexpr std::string_view kEndedImports =
    "SELECT " CASEMATE_KEY_COLUMNS
    " FROM kms_keys WHERE valid_to IS NOT NULL AND valid_to <= $1 "
    "AND current_material <> '' ORDER BY valid_to LIMIT $2";
inline constexpr std::string_view kMaterial =
    "SELECT " CASEMATE_MATERIAL_COLUMNS " FROM kms_materials WHERE key_id = $1 AND id = $2";
inline constexpr std::string_view kKeyMaterials =
    "SELECT " CASEMATE_MATERIAL_COLUMNS
    " FROM kms_materials WHERE key_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3";
inline constexpr std::string_view kMaterialPage =
    "SELECT " CASEMATE_MATERIAL_COLUMNS
    " FROM kms_materials WHERE (key_id, id) > ($1, $2) ORDER BY key_id, id LIMIT $3";
inline constexpr std::string_view kAlias =
    "SELECT " CASEMATE_ALIAS_COLUMNS " FROM kms_aliases WHERE account = $1 AND name = $2";
inline constexpr std::string_view kAliasPage =
    "SELECT " CASEMATE_ALIAS_COLUMNS
    " FROM kms_aliases WHERE account = $1 AND name > $2 ORDER BY name LIMIT $3";
inline constexpr std::string_view kAliasPageOf =
    "SELECT " CASEMATE_ALIAS_COLUMNS
    " FROM kms_aliases WHERE key_id = $1 AND name > $2 ORDER BY name LIMIT $3";
inline constexpr std::string_view kGrant =
    "SELECT " CASEMATE_GRANT_COLUMNS " FROM kms_grants WHERE id = $1 AND key_id = $2";
inline constexpr std::string_view kGrantCount = "SELECT COUNT(*) FROM kms_grants WHERE key_id = $1";
inline constexpr std::string_view kGrantPage =
    "SELECT " CASEMATE_GRANT_COLUMNS
    " FROM kms_grants WHERE key_id = $1 AND id > $2 ORDER BY id LIMIT $3";
inline constexpr std::string_view kGrantsTo =
    "SELECT " CASEMATE_GRANT_COLUMNS
    " FROM kms_grants WHERE key_id = $1 AND grantee = $2 ORDER BY id";
inline constexpr std::string_view kRetirableGrantPage =
    "SELECT " CASEMATE_GRANT_COLUMNS
    " FROM kms_grants WHERE retiring_principal = $1 AND id > $2 ORDER BY id LIMIT $3";
inline constexpr std::string_view kUser =
    "SELECT " CASEMATE_USER_COLUMNS " FROM kms_users WHERE access_key_id = $1";
inline constexpr std::string_view kUserNamed =
    "SELECT " CASEMATE_USER_COLUMNS " FROM kms_users WHERE name = $1";
inline constexpr std::string_view kUserPage =
    "SELECT " CASEMATE_USER_COLUMNS
    " FROM kms_users WHERE access_key_id > $1 ORDER BY access_key_id LIMIT $2";
inline constexpr std::string_view kSetting = "SELECT value FROM kms_settings WHERE name = $1";

inline constexpr std::string_view kSettingPage =
    "SELECT name, value FROM kms_settings WHERE name > $1 ORDER BY name LIMIT $2";
inline constexpr std::string_view kEveryAliasPage =
    "SELECT " CASEMATE_ALIAS_COLUMNS
    " FROM kms_aliases WHERE (account, name) > ($1, $2) ORDER BY account, name LIMIT $3";
inline constexpr std::string_view kEveryGrantPage =
    "SELECT " CASEMATE_GRANT_COLUMNS " FROM kms_grants WHERE id > $1 ORDER BY id LIMIT $2";

#undef CASEMATE_KEY_COLUMNS
#undef CASEMATE_MATERIAL_COLUMNS
#undef CASEMATE_ALIAS_COLUMNS
#undef CASEMATE_GRANT_COLUMNS
#undef CASEMATE_USER_COLUMNS

// All that look for rows.
inline constexpr std::array kFinding = {
    kKey,
    kKeyPage,
    kKeyPageOf,
    kDueDeletions,
    kDueRotations,
    kEndedImports,
    kMaterial,
    kKeyMaterials,
    kMaterialPage,
    kAlias,
    kAliasPage,
    kAliasPageOf,
    kGrant,
    kGrantPage,
    kGrantsTo,
    kRetirableGrantPage,
    kGrantCount,
    kUser,
    kUserNamed,
    kUserPage,
    kSetting,
    kUpdateKey,
    kDeleteKey,
    kDeleteMaterial,
    kRewrapMaterial,
    kMoveAlias,
    kDeleteAlias,
    kDeleteGrant,
    kDeleteUser,
    kRewrapUser,
    kUpdateUserPolicy,
    kUpdateSetting,
    kCountUp,
    kGeneration,
    kSettingPage,
    kEveryGrantPage,
    kEveryAliasPage,
};

}  // namespace casemate::kms::sql
