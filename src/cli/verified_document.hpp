// What `casemate verify` prints: of a verified document its contents, of a refused one only why.
#pragma once

#include <string>

#include "attestation/report.hpp"
#include "cli/json_output.hpp"

namespace casemate::cli {

// verified_json is {"Verified": true, "ModuleId", "Timestamp", "Isolation", "Debug", "PCRs",
// "PublicKey", "UserData", "Nonce", "RootFingerprint", "ValidFrom", "ValidUntil"}: times as RFC
// 3339, registers and fingerprint in hexadecimal, the three fields as base64 or null.
[[nodiscard]] Json verified_json(const attestation::VerifiedDocument& document);
// verified_text is the same for people, a line each; of registers those that are not zero, of
// fields their sizes.
[[nodiscard]] std::string verified_text(const attestation::VerifiedDocument& document);

// refused_json is {"Verified": false, "Error", "Message"}.
[[nodiscard]] Json refused_json(attestation::AttestationErrc code, const Error& error);
[[nodiscard]] std::string refused_text(attestation::AttestationErrc code, const Error& error);

// steps_text shows each step with its result, a line each.
[[nodiscard]] std::string steps_text(const attestation::Report& report);

}  // namespace casemate::cli
