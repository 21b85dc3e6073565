// Errors of reading policies.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::policy {

enum class PolicyErrc : std::uint8_t {
    // More bytes than a policy may have.
    too_large,
    // Not JSON, nested too deeply, or a key twice in one object.
    syntax,
    // JSON that is no policy: an unknown, absent or doubled element, a value of the wrong kind.
    malformed,
    // A principal that no caller can be.
    invalid_principal,
};

[[nodiscard]] std::string_view describe(PolicyErrc code);

}  // namespace casemate::policy
