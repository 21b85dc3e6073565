// Restart: which enclaves are started again after their end, how often and when. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "enclave/record.hpp"

namespace casemate::enclave {

// RestartPolicy: `no`, `on-failure`, `on-failure:N`, `always`.
struct RestartPolicy {
    enum class When { never, on_failure, always };
    When when = When::never;
    // How often, since it last did well; nothing: without end.
    std::optional<std::uint32_t> most;

    bool operator==(const RestartPolicy&) const = default;
};

// parse_restart reads a policy, N from 1 to 1,000,000. EnclaveErrc::invalid_argument.
[[nodiscard]] Result<RestartPolicy> parse_restart(std::string_view text);
[[nodiscard]] std::string to_text(const RestartPolicy& policy);

// RestartTimes: the first pause, doubled each time up to the longest, and how long an enclave has
// to do well until its restarts are forgotten.
struct RestartTimes {
    std::chrono::milliseconds first{1000};
    std::chrono::milliseconds longest{30000};
    std::chrono::milliseconds well{600000};

    bool operator==(const RestartTimes&) const = default;
};

class RestartCount {
public:
    RestartCount(const RestartPolicy& policy, const RestartTimes& times)
        : policy_(policy), times_(times) {}

    // wanted tells whether the policy is about ends of that kind. A guest that reset itself and did
    // not say why may have failed.
    [[nodiscard]] bool wanted(const End& end) const;
    // next counts one restart more and gives the pause before it; nothing when there were enough.
    [[nodiscard]] std::optional<std::chrono::milliseconds> next();
    // did_well forgets those that were.
    void did_well() { count_ = 0; }
    [[nodiscard]] std::uint32_t count() const { return count_; }

private:
    RestartPolicy policy_;
    RestartTimes times_;
    std::uint32_t count_ = 0;
};

}  // namespace casemate::enclave
