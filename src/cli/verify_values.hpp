// Values of the options of `casemate verify`, read from text. Errors are E03.
#pragma once

#include <chrono>
#include <string_view>

#include "attestation/document.hpp"
#include "cli/values.hpp"

namespace casemate::cli {

struct ExpectedPcr {
    std::uint16_t index = 0;
    attestation::PcrValue value{};
};

// parse_pcr reads N=HEX, N from 0 to 31.
[[nodiscard]] Value<ExpectedPcr> parse_pcr(std::string_view text);

// parse_nonce reads 1 to 1,024 bytes in hexadecimal.
[[nodiscard]] Value<Bytes> parse_nonce(std::string_view text);

// parse_time reads a time as RFC 3339 has it, from 1970 on.
[[nodiscard]] Value<attestation::Time> parse_time(std::string_view text);

// parse_max_age reads seconds.
[[nodiscard]] Value<std::chrono::seconds> parse_max_age(std::string_view text);

// parse_allowed_isolation reads the name of an isolation that is one.
[[nodiscard]] Value<attestation::Isolation> parse_allowed_isolation(std::string_view text);

}  // namespace casemate::cli
