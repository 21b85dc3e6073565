#include "kms/backup/error.hpp"

namespace casemate::kms {

std::string_view describe(BackupErrc code) {
    switch (code) {
        case BackupErrc::damaged:
            return "damaged backup";
        case BackupErrc::wrong_passphrase:
            return "wrong passphrase";
        case BackupErrc::unknown_version:
            return "unknown version of backup";
        case BackupErrc::unavailable:
            return "backup unavailable";
    }
    return "unknown backup error";
}

}  // namespace casemate::kms
