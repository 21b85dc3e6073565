// The commands: each gives the exit status.
#pragma once

#include "kms/cli/arguments.hpp"
#include "kms/cli/console.hpp"
#include "kms/cli/places.hpp"

namespace casemate::kms::cli {

[[nodiscard]] int serve(const ServeArguments& arguments, const Places& places, Console& console);
[[nodiscard]] int user_add(const UserAddArguments& arguments, Console& console);
[[nodiscard]] int user_list(const UserListArguments& arguments, Console& console);
[[nodiscard]] int user_remove(const UserRemoveArguments& arguments, Console& console);
[[nodiscard]] int user_policy(const UserPolicyArguments& arguments, Console& console);
[[nodiscard]] int user_session(const UserSessionArguments& arguments, Console& console);
[[nodiscard]] int export_ca(const ExportCaArguments& arguments, Console& console);
[[nodiscard]] int policy_check(const PolicyCheckArguments& arguments, Console& console);
[[nodiscard]] int policy_explain(const PolicyExplainArguments& arguments, const Places& places,
                                 Console& console);
[[nodiscard]] int root_key_status(const RootKeyStatusArguments& arguments, Console& console);
[[nodiscard]] int root_key_rotate(const RootKeyRotateArguments& arguments, Console& console);
[[nodiscard]] int root_key_protect(const RootKeyProtectArguments& arguments, Console& console);
[[nodiscard]] int audit(const AuditArguments& arguments, Console& console);
[[nodiscard]] int backup_or_restore(const BackupArguments& arguments, Console& console);
[[nodiscard]] int status(const StatusArguments& arguments, Console& console);

}  // namespace casemate::kms::cli
