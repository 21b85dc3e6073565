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
#include "enclave/machine_run.hpp"
#include "enclave/registry.hpp"
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
          timers_(loop) {}
    Supervision(const Supervision&) = delete;
    Supervision& operator=(const Supervision&) = delete;
    ~Supervision();

    // start does what needs no waiting; the loop does the rest. An error has been reported.
    [[nodiscard]] Result<> start();
    // request_end ends the enclave for somebody: gracefully the first time, at once the second.
    void request_end(const std::string& by);

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
    [[nodiscard]] MachinePlan plan();
    [[nodiscard]] MachineRun::Surroundings surroundings();
    [[nodiscard]] Result<> start_machine();
    void on_started();
    void on_heartbeat();
    void on_ended(const End& end, EnclaveErrc code);

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
    // Declared after what it uses: it goes first.
    std::unique_ptr<MachineRun> machine_;
    bool running_ = false;
    bool end_requested_ = false;
};

}  // namespace casemate::enclave
