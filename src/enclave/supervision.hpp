// Supervision: the state machine of one enclave, behind supervisor.hpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "enclave/broker.hpp"
#include "enclave/certification.hpp"
#include "enclave/configuration.hpp"
#include "enclave/console.hpp"
#include "enclave/control_server.hpp"
#include "enclave/errors.hpp"
#include "enclave/lifecycle.hpp"
#include "enclave/packet_channel.hpp"
#include "enclave/registry.hpp"
#include "enclave/vmm_link.hpp"
#include "nsm/control.hpp"

namespace casemate::enclave {

// The port of the parent that init's heartbeat goes to, and its byte (formats.md 3.1).
inline constexpr std::uint32_t kHeartbeatPort = 9000;
inline constexpr std::uint8_t kHeartbeat = 0xb7;
// The port of the hypervisor (CID 0) that init's lifecycle stream goes to.
inline constexpr std::uint32_t kLifecyclePort = 9001;

// Supervision goes through: prepared (registered, loader started) → loaded → machine started →
// heartbeat (running) → ending → ended. Every way out leads through begin_end, which waits a moment
// for the rest of the evidence, and finish, which takes everything down.
class Supervision {
public:
    Supervision(EventLoop& loop, StartConfiguration configuration, UniqueFd channel)
        : loop_(&loop),
          configuration_(std::move(configuration)),
          channel_(std::move(channel)),
          vmm_(loop),
          nsm_(loop),
          log_pipe_(loop),
          console_pipe_(loop),
          console_(loop) {}
    Supervision(const Supervision&) = delete;
    Supervision& operator=(const Supervision&) = delete;
    ~Supervision();

    // start does what needs no waiting; the loop does the rest. An error has been reported.
    [[nodiscard]] Result<> start();
    // request_end ends the enclave for somebody: gracefully the first time, at once the second.
    void request_end(const std::string& by);

private:
    // Starting.
    [[nodiscard]] Result<> prepare();
    [[nodiscard]] Result<> check_request();
    [[nodiscard]] Result<> take_place();
    void take_huge_pages();
    void tell_acceleration();
    [[nodiscard]] Result<> open_history();
    [[nodiscard]] Result<> open_sockets();
    [[nodiscard]] Result<> watch_channel();
    [[nodiscard]] Result<> make_memory();
    [[nodiscard]] Result<> start_loader();
    void on_module_packet(const Packet& packet);
    void on_loaded(nsm::Loaded loaded);
    [[nodiscard]] Result<> certify(ByteView leaf_key, std::chrono::milliseconds patience);
    void on_new_leaf_key(nsm::NewLeafKey wanted);
    void renew_certificate();
    [[nodiscard]] Result<> start_machine();
    [[nodiscard]] Result<> open_link();
    [[nodiscard]] Result<VmmLink> make_link();
    [[nodiscard]] Result<> send_start();
    [[nodiscard]] Result<> adopt(NamedProcess process);
    void on_child_end(int pidfd);
    void fail_start(const Error& error, EnclaveErrc code);

    // Running.
    void on_vmm_packet(Packet packet);
    void on_vmm_closed(const std::string& reason);
    void on_started();
    void on_connect_request(const machine::ConnectRequest& request);
    void answer(std::uint64_t request_id, UniqueFd socket);
    void accept_heartbeat(std::uint64_t request_id);
    void on_heartbeat();
    void on_running();
    void accept_lifecycle(std::uint64_t request_id);
    void on_lifecycle();
    void close_lifecycle();
    void on_panic(const std::string& line);
    void on_log(ByteView bytes);
    void on_exited(machine::Exited exited);

    // Ending.
    void stop_machine();
    void begin_end();
    void finish();
    void drop_children();
    void tell_run_enclave_the_end();
    void leave_when_read();

    void say(const std::string& line);
    void report(const StartReport& report);
    void publish();

    EventLoop* loop_;
    StartConfiguration configuration_;
    // To run-enclave, until the enclave runs.
    UniqueFd channel_;

    UniqueFd image_;
    std::uint64_t image_bytes_ = 0;
    EnclaveRecord record_;
    std::optional<Registration> registration_;
    std::optional<Certification> certification_;
    // The key that waits for its certificate, and when its turn is; 0: there is none.
    Bytes new_leaf_key_;
    EventLoop::TimerId renewal_timer_ = 0;
    CappedFile log_;
    // What the processes have printed of a line that has not ended.
    std::string log_line_;

    // Held until the machine runs: a software host takes them only when it is up.
    UniqueFd memory_;
    UniqueFd nsm_requests_;
    UniqueFd console_input_;
    UniqueFd log_input_;
    machine::BootImage boot_image_;
    Acceleration acceleration_ = Acceleration::kvm;
    std::string acceleration_reason_;
    std::unique_ptr<VmmKeeper> vmm_keeper_;
    UniqueFd kvm_;
    bool machine_started_ = false;

    PacketChannel vmm_;
    PacketChannel nsm_;
    PipeReader log_pipe_;
    PipeReader console_pipe_;
    Console console_;
    std::unique_ptr<StreamBroker> broker_;
    std::unique_ptr<ControlServer> control_;
    std::vector<NamedProcess> children_;

    UniqueFd heartbeat_;
    bool heartbeat_seen_ = false;
    EventLoop::TimerId boot_timer_ = 0;
    UniqueFd lifecycle_;
    bool lifecycle_used_ = false;
    InitLines init_lines_;

    Evidence evidence_;
    EnclaveErrc failure_code_ = EnclaveErrc::boot_failed;
    bool running_ = false;
    bool ending_ = false;
    bool finished_ = false;
};

}  // namespace casemate::enclave
