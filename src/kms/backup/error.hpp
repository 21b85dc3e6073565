// Errors of backups.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::kms {

enum class BackupErrc : std::uint8_t {
    // The file is no backup, or not the one that was written: changed, cut off, longer, in another
    // order.
    damaged,
    // Another passphrase, or none; or the file's beginning was changed.
    wrong_passphrase,
    // A later program's backup.
    unknown_version,
    // The file could not be read or written.
    unavailable,
};

[[nodiscard]] std::string_view describe(BackupErrc code);

}  // namespace casemate::kms
