// MachineRun: one machine of an enclave, from loading its image to its end: the security module,
// the VMM, guest memory, and what is seen of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "enclave/certification.hpp"
#include "enclave/configuration.hpp"
#include "enclave/console.hpp"
#include "enclave/enclave_log.hpp"
#include "enclave/errors.hpp"
#include "enclave/init_link.hpp"
#include "enclave/lifecycle.hpp"
#include "enclave/packet_channel.hpp"
#include "enclave/record.hpp"
#include "enclave/timers.hpp"
#include "enclave/vmm_link.hpp"
#include "nsm/control.hpp"

namespace casemate::enclave {

// MachinePlan: what a machine is made of.
struct MachinePlan {
    UniqueFd image;
    std::uint64_t image_bytes = 0;
    std::uint64_t memory_bytes = 0;
    // Memory of that size that is taken already; none: the machine takes its own.
    UniqueFd memory;
    std::uint32_t vcpus = 1;
    std::uint32_t cid = 0;
    bool debug = false;
    Acceleration acceleration = Acceleration::kvm;
    // How long the guest has for its heartbeat.
    std::chrono::milliseconds boot_time{};
};

// It goes through: module started → loaded → machine started → heartbeat → ending → ended. Every
// way out leads through begin_end, which waits a moment for the rest of the evidence, and finish,
// which takes everything down.
class MachineRun {
public:
    // Surroundings: what it uses of the enclave, which outlives it.
    struct Surroundings {
        const Paths* paths = nullptr;
        EnclaveLog* log = nullptr;
        const Certification* certification = nullptr;
        // Gets the guest's console, in debug mode.
        std::function<void(ByteView)> console;
        // News for who started the enclave.
        std::function<void(const std::string&)> progress;
        // The machine's processes are other ones now.
        std::function<Result<>(std::vector<ChildProcess>)> children;
        // The image is loaded; an error refuses the start.
        std::function<Result<>(std::map<std::uint16_t, std::string>)> measured;
        // The vCPUs run; the heartbeat came.
        std::function<void()> started;
        std::function<void()> heartbeat;
        // Init promised to say that it lives; it did.
        std::function<void()> init_beats;
        std::function<void()> init_alive;
        // The guest connects to a port of the parent: answer is due.
        std::function<void(std::uint64_t request_id, std::uint32_t port)> connect;
        // The end is near; then the last call: how it ended, and nitro-cli's number for that when
        // it never ran. Nothing of it is left then but the object, which must outlive the call.
        std::function<void()> ending;
        std::function<void(const End&, EnclaveErrc)> ended;
    };

    MachineRun(EventLoop& loop, MachinePlan plan, Surroundings around);
    MachineRun(const MachineRun&) = delete;
    MachineRun& operator=(const MachineRun&) = delete;
    ~MachineRun();

    // start does what needs no waiting; the loop does the rest. After an error nothing is called.
    [[nodiscard]] Result<> start();
    // shut_down asks the program to end within so many milliseconds and ends the machine then. A
    // guest whose init does not listen is ended at once.
    void shut_down(const std::string& by, std::uint64_t milliseconds);
    // give_up does the same because it is not healthy; by then a silent init listens no more.
    void give_up(const std::string& reason, std::uint64_t milliseconds);
    // hear takes what init has already said.
    void hear() { init_.drain(); }
    // stop_machine ends it at once.
    void stop_machine();
    [[nodiscard]] bool ending() const { return ending_; }

    // open_stream passes a parent program's socket on to the guest's port.
    [[nodiscard]] bool open_stream(std::uint32_t port, UniqueFd socket);
    // answer gives the guest the connected socket that it asked for, or none for a refusal.
    void answer(std::uint64_t request_id, UniqueFd socket);

private:
    // Loading.
    [[nodiscard]] Result<> make_memory();
    [[nodiscard]] Result<> start_loader();
    [[nodiscard]] Result<> send_load(UniqueFd requests);
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
    void on_started();
    void on_connect_request(const machine::ConnectRequest& request);
    void on_init_line(InitLine line);
    void on_panic(const std::string& line);
    void on_exited(machine::Exited exited);

    // Ending.
    void ask_for_end(std::uint64_t milliseconds);
    void begin_end();
    void finish();
    void drop_children();

    void say(const std::string& line) { around_.log->say(line); }

    EventLoop* loop_;
    MachinePlan plan_;
    Surroundings around_;
    Timers timers_;

    // The key that waits for its certificate, and when its turn is; 0: there is none.
    Bytes new_leaf_key_;
    EventLoop::TimerId renewal_timer_ = 0;
    EventLoop::TimerId boot_timer_ = 0;
    bool measured_ = false;

    // Held until the machine runs: a software host takes them only when it is up.
    UniqueFd nsm_requests_;
    UniqueFd console_input_;
    machine::BootImage boot_image_;
    std::unique_ptr<VmmKeeper> vmm_keeper_;
    UniqueFd kvm_;
    bool machine_started_ = false;

    PacketChannel vmm_;
    PacketChannel nsm_;
    PipeReader console_pipe_;
    InitLink init_;
    std::vector<NamedProcess> children_;

    Evidence evidence_;
    // When init was asked to end its program.
    EventLoop::Clock::time_point asked_{};
    EnclaveErrc failure_code_ = EnclaveErrc::boot_failed;
    bool ending_ = false;
    bool finished_ = false;
};

}  // namespace casemate::enclave
