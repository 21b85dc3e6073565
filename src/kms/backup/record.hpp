// The things of a store as a backup has them.
//
// A record, numbers big-endian: the kind (1: 0 setting, 1 key, 2 material, 3 alias, 4 grant, 5
// user), the size of what follows (4, at most kMaxRecord), whether there is a secret (1: 0 or 1),
// the number of columns (1), the columns, the secret up to the end. A column: 0 (NULL), 1 and an
// integer (8, two's complement), 2 and a text, or 3 and bytes, these with their size (4) before
// them. The columns are the store's (statements.hpp, columns.hpp) of version 1, in their order;
// what the vault has wrapped is empty there, and opened is the secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "kms/backup/error.hpp"
#include "kms/store/repository.hpp"

namespace casemate::kms {

inline constexpr std::size_t kRecordHead = 5;
inline constexpr std::size_t kMaxRecord = std::size_t{16} << 20U;

// OpenedThing: a thing whose wrapped field is empty, and what was in it.
struct OpenedThing {
    Thing thing;
    std::optional<SecretBytes> secret;
};

// write_record gives a whole record. Errors: BackupErrc damaged when it is too large.
[[nodiscard]] Result<SecretBytes> write_record(const OpenedThing& opened);

// RecordHead: a record's first kRecordHead bytes.
struct RecordHead {
    std::uint8_t kind = 0;
    std::uint32_t size = 0;
};
// Errors: BackupErrc damaged.
[[nodiscard]] Result<RecordHead> read_record_head(ByteView bytes);
// read_record reads what follows the head. Errors: BackupErrc damaged, StoreErrc damaged.
[[nodiscard]] Result<OpenedThing> read_record(const RecordHead& head, ByteView content);

}  // namespace casemate::kms
