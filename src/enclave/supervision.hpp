// Supervision: one enclave from its request to its record's last word, behind supervisor.hpp. What
// runs in between is a MachineRun.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "enclave/broker.hpp"
#include "enclave/certification.hpp"
#include "enclave/configuration.hpp"
#include "enclave/console.hpp"
#include "enclave/control_server.hpp"
#include "enclave/enclave_log.hpp"
#include "enclave/errors.hpp"
#include "enclave/health_watch.hpp"
#include "enclave/machine_run.hpp"
#include "enclave/registry.hpp"
#include "enclave/restart.hpp"
#include "enclave/timers.hpp"

namespace casemate::enclave {

class Supervision {
public:
    Supervision(EventLoop& loop, StartConfiguration configuration, UniqueFd channel)
        : loop_(&loop),
          configuration_(std::move(configuration)),
          channel_(std::move(channel)),
          log_(loop),
          console_(loop),
          timers_(loop),
          restarts_(configuration_.restart, configuration_.restart_times) {}
    Supervision(const Supervision&) = delete;
    Supervision& operator=(const Supervision&) = delete;
    ~Supervision();

    // start does what needs no waiting; the loop does the rest. An error has been reported.
    [[nodiscard]] Result<> start();
    // request_end ends the enclave for somebody: gracefully the first time, at once the second. Its
    // program has so many seconds, or as many as run-enclave has said.
    void request_end(const std::string& by, std::optional<std::uint64_t> seconds = std::nullopt);

private:
    // Its place (supervision_place.cpp).
    [[nodiscard]] Result<> check_request();
    [[nodiscard]] Result<> check_free_memory();
    void take_huge_pages();
    [[nodiscard]] Result<> take_place();
    [[nodiscard]] Result<> open_history();
    [[nodiscard]] Result<> open_broker();
    [[nodiscard]] Result<> open_control();
    [[nodiscard]] Result<> watch_channel();
    void tell_acceleration();

    // Its machine.
    [[nodiscard]] Result<> prepare();
    [[nodiscard]] Result<MachinePlan> plan();
    [[nodiscard]] MachineRun::Surroundings surroundings();
    [[nodiscard]] Result<> start_machine();
    void on_started();
    [[nodiscard]] Result<> on_measured(std::map<std::uint16_t, std::string> measurements);
    void on_heartbeat();
    void tell_run_enclave();
    void watch_health();
    void on_health();
    void watch_well();
    void on_ended(End end, EnclaveErrc code);

    // Its next machine.
    void wait_for_restart(const End& end, std::chrono::milliseconds pause);
    void start_again();

    // Its end.
    void fail_start(const Error& error);
    void finish(const End& end, EnclaveErrc code);
    void leave_when_read();

    void say(const std::string& line) { log_.say(line); }
    void report(const StartReport& report);
    void publish();

    EventLoop* loop_;
    StartConfiguration configuration_;
    // To run-enclave, until the enclave runs.
    UniqueFd channel_;

    UniqueFd image_;
    std::uint64_t image_bytes_ = 0;
    Acceleration acceleration_ = Acceleration::kvm;
    std::string acceleration_reason_;
    // Of the size that is wanted, when huge pages could be had.
    UniqueFd huge_memory_;

    EnclaveRecord record_;
    std::optional<Registration> registration_;
    std::optional<Certification> certification_;
    EnclaveLog log_;
    Console console_;
    std::unique_ptr<StreamBroker> broker_;
    std::unique_ptr<ControlServer> control_;
    Timers timers_;
    RestartCount restarts_;
    // When it is started again, and when it has done well for long enough; 0: not waiting.
    EventLoop::TimerId restart_timer_ = 0;
    EventLoop::TimerId well_timer_ = 0;
    // The file is another now than at the first start.
    bool image_changed_ = false;
    // Declared after what they use: they go first.
    std::unique_ptr<MachineRun> machine_;
    std::unique_ptr<HealthWatch> health_;
    bool running_ = false;
    bool end_requested_ = false;
};

}  // namespace casemate::enclave
