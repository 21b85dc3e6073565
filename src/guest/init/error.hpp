// Errors of the enclave's first process. Each one's sentence reads "expected …, found …", because
// it is all that whoever reads the console gets.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace casemate::guest {

enum class GuestErrc {
    bad_launch_file,  // cmd, env, argv, environment, workdir or user of the ramdisk
    bad_user,         // the image's user or group does not exist
    bad_command,      // the image's command can't be executed
    system,           // the kernel refused something
    heartbeat,        // the parent did not answer
};

[[nodiscard]] std::string_view describe(GuestErrc code);

// unexpected makes an Error whose sentence is "expected EXPECTED, found FOUND".
[[nodiscard]] Error unexpected(GuestErrc code, std::string_view expected, std::string_view found);

// unexpected_errno is the same with the text of an errno value as what was found.
[[nodiscard]] Error unexpected_errno(GuestErrc code, std::string_view expected, int error_number);

}  // namespace casemate::guest
