#include <algorithm>
#include <filesystem>

#include "base/os_error.hpp"
#include "cli/enclaves.hpp"
#include "cli/interruption.hpp"
#include "cli/verbs.hpp"
#include "enclave/client.hpp"

namespace casemate::cli {

namespace {

constexpr std::size_t kMaxName = 128;

// The image's file name without ".eif" (nitro-cli.md 2.1).
std::string default_name(const std::string& eif_path) {
    const std::string file = std::filesystem::path(eif_path).filename();
    constexpr std::string_view kTail = ".eif";
    return file.ends_with(kTail) ? file.substr(0, file.size() - kTail.size()) : file;
}

bool usable_name(const std::string& name) {
    const auto control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
    return !name.empty() && name.size() <= kMaxName &&
           std::none_of(name.begin(), name.end(), control);
}

enclave::Acceleration acceleration_of(Acceleration wanted) {
    switch (wanted) {
        case Acceleration::kvm:
            return enclave::Acceleration::kvm;
        case Acceleration::software:
            return enclave::Acceleration::software;
        case Acceleration::automatic:
            break;
    }
    return enclave::Acceleration::automatic;
}

constexpr std::uint64_t kMsPerSecond = 1000;

void take_watch(const WatchArguments& watch, enclave::StartConfiguration& configuration) {
    const auto seconds = [](const std::optional<std::uint32_t>& from, std::uint64_t& to) {
        if (from) {
            to = *from * kMsPerSecond;
        }
    };
    enclave::HealthSettings& health = configuration.health;
    health.port = watch.health_port.value_or(health.port);
    health.retries = watch.health_retries.value_or(health.retries);
    seconds(watch.health_interval_seconds, health.interval_ms);
    seconds(watch.health_start_seconds, health.start_ms);
    seconds(watch.liveness_seconds, health.silence_ms);
    seconds(watch.shutdown_seconds, configuration.shutdown_ms);
    // Checked by check_watch.
    if (const auto policy = enclave::parse_restart(watch.restart.value_or("no"))) {
        configuration.restart = *policy;
    }
}

enclave::StartConfiguration configuration_of(const RunEnclaveArguments& arguments,
                                             const enclave::Paths& paths) {
    enclave::StartConfiguration configuration;
    configuration.paths = paths;
    configuration.name = arguments.enclave_name.value_or(default_name(arguments.eif_path));
    configuration.cid = static_cast<std::uint32_t>(arguments.enclave_cid.value_or(0));
    configuration.cpu_ids = arguments.cpu_ids;
    configuration.cpu_count = arguments.cpu_count.value_or(0);
    configuration.memory_mib = arguments.memory_mib;
    configuration.debug = arguments.debug_mode;
    configuration.acceleration = acceleration_of(arguments.acceleration);
    configuration.boot_timeout_ms = arguments.boot_timeout_seconds * kMsPerSecond;
    take_watch(arguments.watch, configuration);
    return configuration;
}

// nitro-cli prints the enclave process's own error, then that it could not talk to it.
int not_launched(const enclave::LaunchFailure& failure, InterruptionSignals& signals,
                 Output& output) {
    const auto code = static_cast<ErrorCode>(failure.code);
    if (failure.called_off) {
        output.say("Interrupted: " + failure.reason + ".");
        // The signal, which has waited, ends this process here.
        signals.restore();
    }
    if (!failure.by_supervisor) {
        return output.fail(code, failure.reason);
    }
    static_cast<void>(output.fail(code, failure.reason));
    return failed_connections(
        1,
        "the enclave was not started, for the reason above" +
            (failure.id.empty() ? std::string()
                                : "; `casemate logs " + failure.id + "` shows its log"),
        output);
}

// The program's status as a shell gives it; 125 where it has none.
int status_of(const enclave::End& end) {
    constexpr int kSignalled = 128;
    constexpr int kNoStatus = 125;
    return end.signal ? kSignalled + *end.signal : end.exit_status.value_or(kNoStatus);
}

int wait_until_it_ends(const enclave::Paths& paths, const std::string& id, Output& output) {
    InterruptionSignals signals;
    auto ended = enclave::wait_for_end(paths, id, signals.fd());
    if (ended && !ended->end) {
        // Interrupted: its program gets the time to end that it always has.
        output.say("Interrupted: the enclave is ended.");
        ended = std::move(enclave::terminate(paths, {id}).front().record);
    }
    if (!ended || !ended->end) {
        return output.fail(ErrorCode::process_connection,
                           ended ? "the enclave's end is not known" : ended.error().detail());
    }
    output.say("Enclave " + id + " ended: " + ended->end->reason + ".");
    return status_of(*ended->end);
}

}  // namespace

int run_enclave(const RunEnclaveArguments& arguments, Output& output) {
    output.set_action("Run Enclave");
    const auto paths = enclave::find_paths();
    if (!paths) {
        return output.fail(ErrorCode::file_operation, paths.error());
    }
    // ".." stays: behind a link it is not what the text says.
    std::error_code error;
    std::string image_path = std::filesystem::absolute(arguments.eif_path, error).string();
    if (error) {
        return output.fail(ErrorCode::file_operation,
                           "File: '" + arguments.eif_path + "', failing operation: 'Open'. " +
                               os_error("find the enclave image", error.value()).message());
    }
    enclave::StartConfiguration configuration = configuration_of(arguments, *paths);
    configuration.image_path = std::move(image_path);
    if (!usable_name(configuration.name)) {
        return output.fail(ErrorCode::invalid_argument,
                           "expected a name of 1 to " + std::to_string(kMaxName) +
                               " characters without control characters");
    }
    if (arguments.enclave_cid == std::optional<std::uint64_t>(0)) {
        output.say("The enclave CID will be auto-generated as the provided CID is 0");
    }
    output.say("No CPU pool is configured: the enclave shares CPUs and memory with this machine.");
    InterruptionSignals signals;
    const auto outcome = enclave::launch(
        configuration, [&output](const std::string& line) { output.say(line); }, signals.fd());
    if (const auto* failure = std::get_if<enclave::LaunchFailure>(&outcome)) {
        return not_launched(*failure, signals, output);
    }
    signals.restore();
    const enclave::EnclaveRecord& record = std::get<enclave::Launched>(outcome).record;
    int status = output.result(identity_json(record));
    if (status == 0 && arguments.attach_console) {
        status = follow_console(*paths, record.id, std::nullopt, output);
    }
    return status == 0 && arguments.wait ? wait_until_it_ends(*paths, record.id, output) : status;
}

}  // namespace casemate::cli
