// Backup and restore of everything that the key management service keeps, with the secrets, in one
// file under a passphrase of its own: with that it is restored on any machine, under other root
// keys and in the other kind of database.
//
// The file is a stream (stream.hpp) of records (record.hpp): settings, keys, materials, aliases,
// grants, users. It holds no root key.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/kdf.hpp"
#include "kms/backup/error.hpp"
#include "kms/backup/stream.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// BackupCount: how many of each are in a backup.
struct BackupCount {
    std::uint64_t settings = 0;
    std::uint64_t keys = 0;
    std::uint64_t materials = 0;
    std::uint64_t aliases = 0;
    std::uint64_t grants = 0;
    std::uint64_t users = 0;

    bool operator==(const BackupCount&) const = default;
};

// backup writes everything as it is at one moment, whatever services on the store change meanwhile.
// It takes memory for a few hundred things, however many there are. What has been written is a
// backup only when this has returned without error: whoever writes to a file gives it its name then
// (FileAside). Errors: BackupErrc wrong_passphrase for an empty one, unavailable; those of
// Repository and Vault, also for a secret that the vault does not open: no backup leaves one out.
[[nodiscard]] Result<BackupCount> backup(Repository& repository, const Vault& vault,
                                         const SecretBytes& passphrase, const Sink& sink,
                                         const crypto::ScryptCost& cost = {});

// restore stores everything of a backup, its secrets wrapped under the vault's current root key, in
// one transaction: after an error or a kill at any moment the store is as empty as before. Errors:
// BackupErrc; StoreErrc not_empty for a store with a key, a user or a setting; those of Repository
// and Vault.
[[nodiscard]] Result<BackupCount> restore(Repository& repository, const Vault& vault,
                                          const SecretBytes& passphrase, const Source& source);

}  // namespace casemate::kms
