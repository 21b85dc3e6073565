// Isolation: what keeps an enclave apart from the machine it runs on, as its certificates say.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace casemate::attestation {

// Isolation levels, as they stand in certificates: an organizational unit (OU) of every certificate
// below the region. Weakest first.
enum class Isolation : std::uint8_t {
    // No label that is known: nothing may be concluded.
    unknown,
    // OU "software": an emulated processor (DESIGN section 2). No boundary at all.
    software,
    // OU "kvm": hardware virtualization; the machine's root is not kept out.
    kvm,
    // OU "AWS" under O "Amazon", below a trusted root of that same name: AWS's Nitro hypervisor.
    nitro,
};

// The OU that marks the certificates of enclaves in debug mode, beside the isolation's own.
inline constexpr std::string_view kDebugLabel = "debug";

// name_of gives "unknown", "software", "kvm" or "nitro"; these are the OUs too, but for nitro.
[[nodiscard]] std::string_view name_of(Isolation isolation);
// parse_isolation reads such a name.
[[nodiscard]] std::optional<Isolation> parse_isolation(std::string_view name);

}  // namespace casemate::attestation
