// Metrics in Prometheus' text form (version 0.0.4).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "http/server.hpp"
#include "kms/error.hpp"
#include "kms/operations/operation.hpp"

namespace casemate::kms::service {

// Numbers that others keep and the text tells as well.
struct Gauges {
    std::optional<http::Statistics> http;
    bool store_healthy = false;
    bool vault_healthy = false;
    bool audit_healthy = false;
    std::uint64_t audit_sequence = 0;
    // server_certificate_end of the certificate that new connections get, in seconds since 1970; 0:
    // not known.
    std::int64_t server_certificate_end = 0;
};

// All functions may be called from any thread.
class Metrics {
public:
    using Duration = std::chrono::steady_clock::duration;
    enum class RecipientOutcome : std::uint8_t { verified, refused };

    Metrics();

    // count_request counts a request that has been answered; operation: nullptr for one that names
    // none. error: nothing where it succeeded.
    void count_request(const Operation* operation, std::optional<KmsErrc> error, Duration duration);
    void count_recipient(RecipientOutcome outcome);
    void count_throttled() { ++throttled_; }

    [[nodiscard]] std::string text(const Gauges& gauges) const;

private:
    // One more for success.
    static constexpr std::size_t kOutcomes =
        static_cast<std::size_t>(KmsErrc::unsupported_operation) + 2;
    static constexpr std::array<double, 14> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                    0.1,    0.25,  0.5,    1,     2.5,  5,     10};
    struct OfOperation {
        std::array<std::atomic<std::uint64_t>, kOutcomes> outcomes{};
        // Requests up to each bound and above the last before; one more for those beyond.
        std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> durations{};
        std::atomic<std::uint64_t> nanoseconds{0};
    };

    void print_requests(std::string& out) const;
    void print_durations(std::string& out) const;

    // By the operation's place in the table; the last is for requests that name none.
    std::unique_ptr<OfOperation[]> operations_;
    std::array<std::atomic<std::uint64_t>, 2> recipients_{};
    std::atomic<std::uint64_t> throttled_{0};
};

}  // namespace casemate::kms::service
