// Reports of the verifier as JSON.
#pragma once

#include <string>
#include <string_view>

#include "attestation/verifier.hpp"

namespace casemate::attestation {

// name_of gives "ok", "failed", "not asked" or "not reached".
[[nodiscard]] std::string_view name_of(Step::Outcome outcome);

// report_json is an array of {"Step": TITLE, "Result": name_of, "Finding": TEXT}.
[[nodiscard]] std::string report_json(const Report& report);

}  // namespace casemate::attestation
