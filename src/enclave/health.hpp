// Health: whether a running enclave does its work, judged by what init says of itself
// (lifecycle.hpp) and by whether its program accepts connections at a port. Pure: no clock and no
// descriptors here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace casemate::enclave {

// unknown: it runs, and there is nothing to judge it by (AWS's init says nothing of itself).
enum class HealthState { starting, healthy, unhealthy, unknown };

[[nodiscard]] std::string_view name_of(HealthState health);

struct HealthSettings {
    // How long init may be silent, in milliseconds; 0: for ever.
    std::uint64_t silence_ms = 20000;
    // The enclave's vsock port that has to accept connections; 0: none. It is tried so often, and
    // refusals count after the start period, or once it has accepted one.
    std::uint32_t port = 0;
    std::uint64_t interval_ms = 5000;
    std::uint64_t start_ms = 30000;
    // So many refusals in a row are too many; at least 1.
    std::uint32_t retries = 3;

    bool operator==(const HealthSettings&) const = default;
};

class HealthJudge {
public:
    using milliseconds = std::chrono::milliseconds;

    explicit HealthJudge(const HealthSettings& settings) : settings_(settings) {}

    // init_beats: init has promised to say that it lives; alive: it did.
    void init_beats();
    void alive();
    // passed: so much time went by in which init could have been heard.
    void passed(milliseconds time);
    // probed: a connection to the port was accepted, or refused; after so much of its life.
    void probed(bool accepted, milliseconds age);

    [[nodiscard]] HealthState health() const;
    // reason says why it is not healthy; empty otherwise.
    [[nodiscard]] std::string reason() const;
    // silent: init has not been heard of for too long.
    [[nodiscard]] bool silent() const;

private:
    [[nodiscard]] bool refusing() const;

    HealthSettings settings_;
    bool beats_ = false;
    milliseconds silence_{0};
    bool accepted_once_ = false;
    std::uint32_t refusals_ = 0;
};

}  // namespace casemate::enclave
