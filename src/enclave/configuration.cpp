#include "enclave/configuration.hpp"

#include <sched.h>

#include <algorithm>
#include <boost/json.hpp>
#include <limits>
#include <set>
#include <sstream>
#include <tuple>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "enclave/errors.hpp"
#include "machine/layout.hpp"

namespace casemate::enclave {

namespace json = boost::json;

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

std::uint64_t divide_up(std::uint64_t value, std::uint64_t unit) {
    return value / unit + (value % unit != 0 ? 1 : 0);
}

Result<json::object> parse_object(std::string_view text, std::string_view what) {
    boost::system::error_code error;
    json::value value =
        json::parse(json::string_view(text.data(), text.size()), error, {}, {.max_depth = 12});
    if (error || !value.is_object()) {
        return Error(EnclaveErrc::json, "expected " + std::string(what) + ", found " +
                                            (error ? error.message() : "no object"));
    }
    return std::move(value.get_object());
}

std::string text_of(const json::object& object, const char* key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string())
                                                  : std::string();
}

template <class Integer>
Integer number_of(const json::object& object, const char* key) {
    const json::value* value = object.if_contains(key);
    boost::system::error_code error;
    const Integer number =
        value != nullptr && value->is_number() ? value->to_number<Integer>(error) : Integer{};
    return error ? Integer{} : number;
}

json::object paths_object(const Paths& paths) {
    return {{"state", paths.state},
            {"runtime", paths.runtime},
            {"configuration", paths.configuration},
            {"programs", paths.programs},
            {"kernel", paths.kernel},
            {"kvm_device", paths.kvm_device}};
}

json::object health_object(const HealthSettings& health) {
    return {{"silence_ms", health.silence_ms},
            {"port", health.port},
            {"interval_ms", health.interval_ms},
            {"start_ms", health.start_ms},
            {"retries", health.retries}};
}

json::object restart_object(const StartConfiguration& configuration) {
    return {{"policy", to_text(configuration.restart)},
            {"first_ms", configuration.restart_times.first.count()},
            {"longest_ms", configuration.restart_times.longest.count()},
            {"well_ms", configuration.restart_times.well.count()}};
}

HealthSettings health_of(const json::object& object) {
    HealthSettings health;
    health.silence_ms = number_of<std::uint64_t>(object, "silence_ms");
    health.port = number_of<std::uint32_t>(object, "port");
    health.interval_ms = number_of<std::uint64_t>(object, "interval_ms");
    health.start_ms = number_of<std::uint64_t>(object, "start_ms");
    health.retries = number_of<std::uint32_t>(object, "retries");
    return health;
}

// What run-enclave has not said is as it is by default.
Result<> read_watch(const json::object& object, StartConfiguration& configuration) {
    const json::value* health = object.if_contains("health");
    const json::value* restart = object.if_contains("restart");
    if (health != nullptr && health->is_object()) {
        configuration.health = health_of(health->get_object());
    }
    if (restart != nullptr && restart->is_object()) {
        const json::object& found = restart->get_object();
        using std::chrono::milliseconds;
        CASEMATE_TRY(configuration.restart, parse_restart(text_of(found, "policy")));
        configuration.restart_times = {milliseconds(number_of<std::uint32_t>(found, "first_ms")),
                                       milliseconds(number_of<std::uint32_t>(found, "longest_ms")),
                                       milliseconds(number_of<std::uint32_t>(found, "well_ms"))};
    }
    return {};
}

struct ReportObject {
    json::object operator()(const Progress& progress) const {
        return {{"progress", progress.text}};
    }
    json::object operator()(const StartedReport& started) const {
        return {{"started", to_json(started.record)}};
    }
    json::object operator()(const FailedReport& failed) const {
        return {{"failed", failed.code}, {"reason", failed.reason}, {"id", failed.id}};
    }
};

}  // namespace

std::string_view name_of(Acceleration acceleration) {
    switch (acceleration) {
        case Acceleration::automatic:
            return "auto";
        case Acceleration::kvm:
            return "kvm";
        case Acceleration::software:
            return "software";
    }
    return "";
}

Result<Acceleration> parse_acceleration(std::string_view text) {
    for (const Acceleration acceleration :
         {Acceleration::automatic, Acceleration::kvm, Acceleration::software}) {
        if (text == name_of(acceleration)) {
            return acceleration;
        }
    }
    return Error(
        EnclaveErrc::invalid_argument,
        "expected an acceleration of auto, kvm or software, found \"" + std::string(text) + "\"");
}

bool StartConfiguration::operator==(const StartConfiguration& other) const {
    return to_json(*this) == to_json(other);
}

std::string to_json(const StartConfiguration& configuration) {
    json::array cpus;
    for (const std::uint32_t cpu : configuration.cpu_ids) {
        cpus.emplace_back(cpu);
    }
    return json::serialize(json::object{{"paths", paths_object(configuration.paths)},
                                        {"image_path", configuration.image_path},
                                        {"name", configuration.name},
                                        {"cid", configuration.cid},
                                        {"cpu_ids", std::move(cpus)},
                                        {"cpu_count", configuration.cpu_count},
                                        {"memory_mib", configuration.memory_mib},
                                        {"debug", configuration.debug},
                                        {"acceleration", name_of(configuration.acceleration)},
                                        {"boot_timeout_ms", configuration.boot_timeout_ms},
                                        {"shutdown_ms", configuration.shutdown_ms},
                                        {"health", health_object(configuration.health)},
                                        {"restart", restart_object(configuration)}});
}

Result<StartConfiguration> parse_configuration(std::string_view text) {
    CASEMATE_TRY(const json::object object, parse_object(text, "a start configuration"));
    StartConfiguration configuration;
    const json::value* paths = object.if_contains("paths");
    if (paths == nullptr || !paths->is_object()) {
        return Error(EnclaveErrc::json, "expected the paths in a start configuration");
    }
    configuration.paths.state = text_of(paths->get_object(), "state");
    configuration.paths.runtime = text_of(paths->get_object(), "runtime");
    configuration.paths.configuration = text_of(paths->get_object(), "configuration");
    configuration.paths.programs = text_of(paths->get_object(), "programs");
    configuration.paths.kernel = text_of(paths->get_object(), "kernel");
    configuration.paths.kvm_device = text_of(paths->get_object(), "kvm_device");
    configuration.image_path = text_of(object, "image_path");
    configuration.name = text_of(object, "name");
    configuration.cid = number_of<std::uint32_t>(object, "cid");
    configuration.cpu_count = number_of<std::uint32_t>(object, "cpu_count");
    configuration.memory_mib = number_of<std::uint64_t>(object, "memory_mib");
    configuration.boot_timeout_ms = number_of<std::uint64_t>(object, "boot_timeout_ms");
    configuration.shutdown_ms = number_of<std::uint64_t>(object, "shutdown_ms");
    CASEMATE_CHECK(read_watch(object, configuration));
    const json::value* debug = object.if_contains("debug");
    configuration.debug = debug != nullptr && debug->is_bool() && debug->get_bool();
    CASEMATE_TRY(configuration.acceleration, parse_acceleration(text_of(object, "acceleration")));
    const json::value* cpus = object.if_contains("cpu_ids");
    if (cpus == nullptr || !cpus->is_array()) {
        return Error(EnclaveErrc::json, "expected cpu_ids in a start configuration");
    }
    for (const json::value& cpu : cpus->get_array()) {
        boost::system::error_code error;
        configuration.cpu_ids.push_back(cpu.is_number() ? cpu.to_number<std::uint32_t>(error) : 0);
    }
    return configuration;
}

std::string to_json(const StartReport& report) {
    return json::serialize(std::visit(ReportObject{}, report));
}

Result<StartReport> parse_start_report(std::string_view text) {
    CASEMATE_TRY(const json::object object, parse_object(text, "a report of the supervisor"));
    if (object.contains("progress")) {
        return StartReport(Progress{text_of(object, "progress")});
    }
    if (object.contains("started")) {
        CASEMATE_TRY(EnclaveRecord record, parse_record(text_of(object, "started")));
        return StartReport(StartedReport{std::move(record)});
    }
    if (object.contains("failed")) {
        return StartReport(FailedReport{number_of<int>(object, "failed"), text_of(object, "reason"),
                                        text_of(object, "id")});
    }
    return Error(EnclaveErrc::json, "expected a report of the supervisor, found another object");
}

std::chrono::milliseconds boot_timeout(std::uint64_t image_bytes, std::uint64_t memory_bytes) {
    const std::uint64_t units =
        divide_up(image_bytes, 6 * (1024 * kMiB)) + divide_up(memory_bytes, 100 * (1024 * kMiB));
    return std::chrono::seconds(90 * units);
}

Result<> check_memory(std::uint64_t image_bytes, std::uint64_t memory_mib,
                      std::uint64_t available_mib) {
    if (memory_mib == 0) {
        return Error(EnclaveErrc::memory_too_small,
                     "expected memory greater than 0 MB, found 0 MB");
    }
    const std::uint64_t minimum =
        std::max(4 * divide_up(image_bytes, kMiB), machine::kMinMemory / kMiB);
    if (memory_mib < minimum) {
        return Error(
            EnclaveErrc::memory_too_small,
            "found " + std::to_string(memory_mib) +
                " MB requested; based on the EIF file size, the minimum memory should be " +
                std::to_string(minimum) + " MB");
    }
    if (memory_mib > machine::kMaxMemory / kMiB || memory_mib > available_mib) {
        return Error(EnclaveErrc::memory_unavailable, "expected " + std::to_string(memory_mib) +
                                                          " MB of free memory, found " +
                                                          std::to_string(available_mib) + " MB");
    }
    return {};
}

Result<std::vector<std::uint32_t>> choose_cpus(const std::vector<std::uint32_t>& cpu_ids,
                                               std::uint32_t cpu_count,
                                               const std::vector<std::uint32_t>& online) {
    if (!cpu_ids.empty()) {
        std::set<std::uint32_t> seen;
        for (const std::uint32_t cpu : cpu_ids) {
            if (!seen.insert(cpu).second) {
                return Error(EnclaveErrc::duplicate_cpu,
                             "expected each CPU once, found CPU " + std::to_string(cpu) + " again");
            }
            if (std::find(online.begin(), online.end(), cpu) == online.end()) {
                return Error(EnclaveErrc::no_such_cpu, "expected CPUs of this machine, found CPU " +
                                                           std::to_string(cpu) +
                                                           ", which is not online");
            }
        }
        return cpu_ids;
    }
    if (cpu_count == 0) {
        return Error(EnclaveErrc::machine_refused, "expected at least 1 CPU, found 0");
    }
    const std::uint64_t most = std::min<std::uint64_t>(online.size(), machine::kMaxVcpus);
    if (cpu_count > most) {
        return Error(EnclaveErrc::insufficient_cpus, "expected at most " + std::to_string(most) +
                                                         " CPUs, which this machine has, found " +
                                                         std::to_string(cpu_count));
    }
    return std::vector<std::uint32_t>(online.begin(),
                                      online.begin() + static_cast<std::ptrdiff_t>(cpu_count));
}

Result<std::vector<std::uint32_t>> online_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) != 0) {
        return os_error("ask which CPUs are online");
    }
    std::vector<std::uint32_t> cpus;
    for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) {
            cpus.push_back(cpu);
        }
    }
    return cpus;
}

Result<std::uint64_t> available_memory_mib() {
    CASEMATE_TRY(const Bytes content, read_file("/proc/meminfo", 65536));
    std::istringstream lines{std::string(as_text(content))};
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string name;
        std::uint64_t kib = 0;
        if (fields >> name >> kib && name == "MemAvailable:") {
            return kib / 1024;
        }
    }
    return Error(EnclaveErrc::file_operation, "expected MemAvailable in /proc/meminfo, found none");
}

}  // namespace casemate::enclave
