#include "enclave/restart.hpp"

#include <algorithm>
#include <charconv>

#include "enclave/errors.hpp"

namespace casemate::enclave {

namespace {

constexpr std::uint32_t kMostRestarts = 1'000'000;
constexpr std::string_view kOnFailure = "on-failure";

}  // namespace

Result<RestartPolicy> parse_restart(std::string_view text) {
    using When = RestartPolicy::When;
    if (text == "no") {
        return RestartPolicy{};
    }
    if (text == "always") {
        return RestartPolicy{When::always, {}};
    }
    if (text == kOnFailure) {
        return RestartPolicy{When::on_failure, {}};
    }
    if (text.starts_with(kOnFailure) && text.substr(kOnFailure.size()).starts_with(':')) {
        const std::string_view digits = text.substr(kOnFailure.size() + 1);
        std::uint32_t most = 0;
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), most);
        if (read.ec == std::errc() && read.ptr == digits.data() + digits.size() && most >= 1 &&
            most <= kMostRestarts) {
            return RestartPolicy{When::on_failure, most};
        }
    }
    return Error(EnclaveErrc::invalid_argument,
                 "expected no, on-failure, on-failure:N (1 to 1000000) or always, found \"" +
                     std::string(text) + "\"");
}

std::string to_text(const RestartPolicy& policy) {
    switch (policy.when) {
        case RestartPolicy::When::never:
            return "no";
        case RestartPolicy::When::always:
            return "always";
        case RestartPolicy::When::on_failure:
            break;
    }
    return std::string(kOnFailure) + (policy.most ? ":" + std::to_string(*policy.most) : "");
}

bool RestartCount::wanted(const End& end) const {
    const bool asked_for = end.kind == EndKind::terminated;
    const bool success = end.kind == EndKind::exited && end.exit_status == 0;
    switch (policy_.when) {
        case RestartPolicy::When::never:
            return false;
        case RestartPolicy::When::always:
            return !asked_for;
        case RestartPolicy::When::on_failure:
            return !asked_for && !success;
    }
    return false;
}

std::optional<std::chrono::milliseconds> RestartCount::next() {
    if (policy_.most && count_ >= *policy_.most) {
        return std::nullopt;
    }
    auto pause = times_.first;
    for (std::uint32_t i = 0; i < count_ && pause < times_.longest; ++i) {
        pause *= 2;
    }
    ++count_;
    return std::min(pause, times_.longest);
}

}  // namespace casemate::enclave
