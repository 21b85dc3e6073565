#include "cli/values.hpp"

#include <array>
#include <charconv>
#include <limits>

#include "enclave/restart.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kFirstEnclaveCid = 4;
// VMADDR_CID_ANY (linux/vm_sockets.h) is no address.
constexpr std::uint64_t kLastEnclaveCid = 0xfffffffe;
constexpr std::uint64_t kMibPerGib = 1024;
constexpr std::uint64_t kMibPerTib = kMibPerGib * 1024;
constexpr std::uint32_t kMaxSeconds = 86400;
constexpr std::uint32_t kMaxPort = 0xfffffffe;
constexpr std::uint64_t kMaxMib = std::numeric_limits<std::uint64_t>::max() >> 20U;

CommandError invalid(std::string sentence) {
    return {ErrorCode::invalid_argument, std::move(sentence)};
}

// digits reads a whole text as a decimal number.
std::optional<std::uint64_t> digits(std::string_view text) {
    std::uint64_t number = 0;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
        return std::nullopt;
    }
    return number;
}

// mib_per_unit is 0 for a unit that does not exist.
std::uint64_t mib_per_unit(char unit) {
    switch (unit) {
        case 'M':
        case 'm':
            return 1;
        case 'G':
        case 'g':
            return kMibPerGib;
        case 'T':
        case 't':
            return kMibPerTib;
        default:
            return 0;
    }
}

}  // namespace

Value<std::uint64_t> parse_number(std::string_view text, std::string_view option,
                                  std::uint64_t most) {
    const auto number = digits(text);
    if (!number || *number > most) {
        return invalid("Expected a number of 0 to " + std::to_string(most) + " for `" +
                       std::string(option) + "`, found `" + std::string(text) + "`.");
    }
    return *number;
}

Value<std::uint64_t> parse_memory(std::string_view text) {
    const std::string found = "found `" + std::string(text) + "`.";
    std::uint64_t unit = 1;
    if (!text.empty() && (text.back() < '0' || text.back() > '9')) {
        unit = mib_per_unit(text.back());
        text.remove_suffix(1);
    }
    const auto number = digits(text);
    if (unit == 0 || !number) {
        return invalid(
            "Expected `memory` as a number with an optional unit M (the default), G or T, " +
            found);
    }
    if (*number > kMaxMib / unit) {
        return invalid("Expected `memory` of at most " + std::to_string(kMaxMib) + " MiB, " +
                       found);
    }
    return *number * unit;
}

std::optional<CommandError> check_enclave_cid(std::uint64_t cid) {
    if (cid == 0 || (cid >= kFirstEnclaveCid && cid <= kLastEnclaveCid)) {
        return std::nullopt;
    }
    return invalid("Expected an `enclave-cid` of " + std::to_string(kFirstEnclaveCid) + " to " +
                   std::to_string(kLastEnclaveCid) + ", or 0 for any, found " +
                   std::to_string(cid) + ": 1 to 3 and 4294967295 are reserved.");
}

Value<std::uint64_t> parse_enclave_cid(std::string_view text) {
    const auto cid = digits(text);
    if (!cid) {
        return invalid("Expected a number for `enclave-cid`, found `" + std::string(text) + "`.");
    }
    if (auto error = check_enclave_cid(*cid)) {
        return *std::move(error);
    }
    return *cid;
}

Value<std::uint64_t> parse_seconds(std::string_view text, std::string_view option) {
    return parse_number(text, option, kMaxSeconds);
}

std::optional<CommandError> check_watch(const WatchArguments& watch) {
    struct Range {
        std::string_view option;
        const std::optional<std::uint32_t>& value;
        std::uint32_t least;
        std::uint32_t most;
    };
    constexpr std::uint32_t kMaxRetries = 1000;
    // Init says that it lives every five seconds.
    constexpr std::uint32_t kLeastLiveness = 10;
    const std::array<Range, 6> ranges{{
        {"health-port", watch.health_port, 1, kMaxPort},
        {"health-interval", watch.health_interval_seconds, 1, kMaxSeconds},
        {"health-retries", watch.health_retries, 1, kMaxRetries},
        {"health-start-period", watch.health_start_seconds, 0, kMaxSeconds},
        {"shutdown-timeout", watch.shutdown_seconds, 0, kMaxSeconds},
        {"liveness-timeout", watch.liveness_seconds, 0, kMaxSeconds},
    }};
    for (const Range& range : ranges) {
        if (range.value && (*range.value < range.least || *range.value > range.most)) {
            return invalid("Expected `" + std::string(range.option) + "` of " +
                           std::to_string(range.least) + " to " + std::to_string(range.most) +
                           ", found " + std::to_string(*range.value) + ".");
        }
    }
    if (watch.liveness_seconds.value_or(0) != 0 && *watch.liveness_seconds < kLeastLiveness) {
        return invalid("Expected `liveness-timeout` of 10 seconds or more, or 0 for none, found " +
                       std::to_string(*watch.liveness_seconds) + ".");
    }
    if (watch.restart) {
        const auto policy = enclave::parse_restart(*watch.restart);
        if (!policy) {
            return invalid("`restart`: " + policy.error().detail() + ".");
        }
    }
    return std::nullopt;
}

Value<Acceleration> parse_acceleration(std::string_view text) {
    if (text.empty() || text == "auto") {
        return Acceleration::automatic;
    }
    if (text == "kvm") {
        return Acceleration::kvm;
    }
    if (text == "software") {
        return Acceleration::software;
    }
    return invalid("Expected auto, kvm or software for `accel` (or CASEMATE_ACCEL), found `" +
                   std::string(text) + "`.");
}

}  // namespace casemate::cli
