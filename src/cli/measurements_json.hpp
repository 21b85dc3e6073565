// An image's measurements and metadata as nitro-cli shows them (nitro-cli.md 2.3, 2.4).
#pragma once

#include "base/result.hpp"
#include "cli/json_output.hpp"
#include "eif/measure.hpp"
#include "eif/metadata.hpp"

namespace casemate::cli {

// measurements_json is {"HashAlgorithm", "PCR0", "PCR1", "PCR2" and, for a signed image, "PCR8"}.
[[nodiscard]] Json measurements_json(const eif::Measurements& measurements);

// add_metadata adds "ImageName", "ImageVersion" and "Metadata", into which custom metadata is
// merged. Errors: JsonErrc malformed.
[[nodiscard]] Result<> add_metadata(Json& json, const eif::Metadata& metadata);

}  // namespace casemate::cli
