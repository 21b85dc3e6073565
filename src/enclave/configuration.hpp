// StartConfiguration: what run-enclave tells the supervisor it starts, as one line of JSON, and
// what the supervisor tells back. Also the checks of numbers that need nothing but numbers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "enclave/paths.hpp"
#include "enclave/record.hpp"
#include "enclave/restart.hpp"

namespace casemate::enclave {

// Acceleration: DESIGN section 2.
enum class Acceleration { automatic, kvm, software };

[[nodiscard]] std::string_view name_of(Acceleration acceleration);
// parse_acceleration reads auto, kvm or software. EnclaveErrc::invalid_argument.
[[nodiscard]] Result<Acceleration> parse_acceleration(std::string_view text);

struct StartConfiguration {
    Paths paths;
    // An absolute path.
    std::string image_path;
    std::string name;
    // 0: the next free one.
    std::uint32_t cid = 0;
    // One of the two; the ids are host CPUs.
    std::vector<std::uint32_t> cpu_ids;
    std::uint32_t cpu_count = 0;
    std::uint64_t memory_mib = 0;
    bool debug = false;
    Acceleration acceleration = Acceleration::automatic;
    // How long the guest has for its heartbeat, in milliseconds; 0: boot_timeout's answer.
    std::uint64_t boot_timeout_ms = 0;
    // How long a program has to end after terminate-enclave, in milliseconds.
    std::uint64_t shutdown_ms = 5000;
    HealthSettings health;
    RestartPolicy restart;
    RestartTimes restart_times;

    bool operator==(const StartConfiguration&) const;
};

inline constexpr std::size_t kMaxConfigurationSize = 65536;

[[nodiscard]] std::string to_json(const StartConfiguration& configuration);
[[nodiscard]] Result<StartConfiguration> parse_configuration(std::string_view json);

// What the supervisor tells run-enclave, one JSON line each.
struct Progress {
    // A line for standard error, as nitro-cli's.
    std::string text;
};
struct StartedReport {
    EnclaveRecord record;
};
struct FailedReport {
    // nitro-cli's number.
    int code = 0;
    std::string reason;
    // The enclave's id, when it got that far: its log says more.
    std::string id;
};
using StartReport = std::variant<Progress, StartedReport, FailedReport>;

[[nodiscard]] std::string to_json(const StartReport& report);
[[nodiscard]] Result<StartReport> parse_start_report(std::string_view json);

// boot_timeout: 90 s for each started 6 GiB of image and 90 s for each started 100 GiB of memory
// (formats.md 3.1).
[[nodiscard]] std::chrono::milliseconds boot_timeout(std::uint64_t image_bytes,
                                                     std::uint64_t memory_bytes);

// check_memory: at least four times the image (rounded up to MiB), no less than the smallest guest
// and no more than the largest. EnclaveErrc::memory_too_small, memory_unavailable.
[[nodiscard]] Result<> check_memory(std::uint64_t image_bytes, std::uint64_t memory_mib,
                                    std::uint64_t available_mib);

// choose_cpus gives the host's CPUs of the enclave out of those online: the ids that were asked
// for, or the first cpu_count. Errors: duplicate_cpu, no_such_cpu, insufficient_cpus,
// machine_refused for none.
[[nodiscard]] Result<std::vector<std::uint32_t>> choose_cpus(
    const std::vector<std::uint32_t>& cpu_ids, std::uint32_t cpu_count,
    const std::vector<std::uint32_t>& online);

// online_cpus lists the CPUs this process may use; available_memory_mib is the kernel's estimate of
// what can be had without swapping (proc(5), MemAvailable).
[[nodiscard]] Result<std::vector<std::uint32_t>> online_cpus();
[[nodiscard]] Result<std::uint64_t> available_memory_mib();

}  // namespace casemate::enclave
