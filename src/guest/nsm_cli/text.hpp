// What nsm-cli prints. Pure.
#pragma once

#include <string>
#include <string_view>

#include "casemate/nsm.hpp"

namespace casemate::nsm_cli {

// json_string is text as a JSON string with its quotation marks. Bytes that are not ASCII stay.
[[nodiscard]] std::string json_string(std::string_view text);

// describe_json and describe_text are the module's description: a JSON object, or NAME: VALUE
// lines.
[[nodiscard]] std::string describe_json(const NsmModule& module);
[[nodiscard]] std::string describe_text(const NsmModule& module);

// pcr_json is a register as a JSON object.
[[nodiscard]] std::string pcr_json(std::uint16_t index, const NsmPcr& pcr);

// name_of is an error's name in the protocol.
[[nodiscard]] std::string_view name_of(ErrorCode code);

}  // namespace casemate::nsm_cli
