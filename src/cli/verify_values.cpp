#include "cli/verify_values.hpp"

#include <algorithm>
#include <limits>

#include "codec/rfc3339.hpp"

namespace casemate::cli {

namespace {

CommandError invalid(std::string_view expected, std::string_view found) {
    return {ErrorCode::invalid_argument,
            "expected " + std::string(expected) + ", found `" + std::string(found) + "`"};
}

}  // namespace

Value<ExpectedPcr> parse_pcr(std::string_view text) {
    const std::string_view number = text.substr(0, text.find('='));
    const auto index = parse_number(number, "pcr", attestation::kPcrCount - 1);
    const auto* parsed = std::get_if<std::uint64_t>(&index);
    if (parsed == nullptr || number.size() == text.size()) {
        return invalid("N=HEX with a register of 0 to 31", text);
    }
    const std::string_view digits = text.substr(number.size() + 1);
    const auto bytes = from_hex(digits);
    if (!bytes || bytes->size() != attestation::kPcrSize) {
        return invalid("96 hexadecimal digits for register " + std::string(number), digits);
    }
    ExpectedPcr pcr;
    pcr.index = static_cast<std::uint16_t>(*parsed);
    std::copy(bytes->begin(), bytes->end(), pcr.value.begin());
    return pcr;
}

Value<Bytes> parse_nonce(std::string_view text) {
    auto bytes = from_hex(text);
    if (!bytes || bytes->empty() || bytes->size() > attestation::kMaxField) {
        return invalid("1 to 1024 bytes in hexadecimal", text);
    }
    return *std::move(bytes);
}

Value<attestation::Time> parse_time(std::string_view text) {
    const auto time = codec::parse_rfc3339(text);
    if (!time || *time < attestation::Time() || *time > attestation::kLastTime) {
        return invalid("a time such as 2026-01-31T23:59:59Z, from 1970 on", text);
    }
    return *time;
}

Value<std::chrono::seconds> parse_max_age(std::string_view text) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    const auto number = parse_number(text, "max-age", kMost);
    const auto* seconds = std::get_if<std::uint64_t>(&number);
    if (seconds == nullptr) {
        return invalid("a number of seconds", text);
    }
    return std::chrono::seconds(*seconds);
}

Value<attestation::Isolation> parse_allowed_isolation(std::string_view text) {
    const auto isolation = attestation::parse_isolation(text);
    if (!isolation || *isolation == attestation::Isolation::unknown) {
        return invalid("software, kvm or nitro", text);
    }
    return *isolation;
}

}  // namespace casemate::cli
