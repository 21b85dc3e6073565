// MachineRun, second half: a machine that runs, and its end.
#include "enclave/machine_run.hpp"

#include <sstream>

namespace casemate::enclave {

namespace {

using std::chrono::milliseconds;

// How long the rest of the evidence may take: which process died first, what init's last line was.
constexpr milliseconds kSettling{100};
// How long a kernel that panicked may still print.
constexpr milliseconds kPanicTime{1000};
// How long the VMM may take to stop, and init beyond the program's own time.
constexpr milliseconds kStopTime{1000};

}  // namespace

MachineRun::MachineRun(EventLoop& loop, MachinePlan plan, Surroundings around)
    : loop_(&loop),
      plan_(std::move(plan)),
      around_(std::move(around)),
      timers_(loop),
      vmm_(loop),
      nsm_(loop),
      console_pipe_(loop),
      init_(loop, {[this] {
                       timers_.cancel(boot_timer_);
                       if (!ending_) {
                           around_.heartbeat();
                       }
                   },
                   [this](const std::string& sentence) {
                       evidence_.heartbeat_failure = sentence;
                       begin_end();
                   },
                   [this](InitLine line) { on_init_line(std::move(line)); },
                   [this](const std::string& line) { say(line); }}) {
}

MachineRun::~MachineRun() {
    drop_children();
}

// --- running ---

void MachineRun::on_vmm_packet(Packet packet) {
    auto message = machine::decode_vmm_message(packet.bytes);
    if (!message) {
        evidence_.control_failure = "the VMM sent what is no message: " + message.error().message();
        begin_end();
        return;
    }
    if (std::holds_alternative<machine::Started>(*message)) {
        on_started();
    } else if (const auto* request = std::get_if<machine::ConnectRequest>(&*message)) {
        on_connect_request(*request);
    } else if (const auto* panicked = std::get_if<machine::GuestPanicked>(&*message)) {
        on_panic(panicked->line);
    } else if (auto* exited = std::get_if<machine::Exited>(&*message)) {
        on_exited(std::move(*exited));
    }
}

void MachineRun::on_started() {
    if (machine_started_) {
        return;
    }
    machine_started_ = true;
    // From here on guest memory is the VMM's alone, and goes when it does.
    plan_.memory.reset();
    nsm_requests_.reset();
    console_input_.reset();
    boot_image_ = {};
    say("the machine runs");
    around_.started();
}

bool MachineRun::open_stream(std::uint32_t port, UniqueFd socket) {
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(socket));
    return vmm_.send(encode(machine::SupervisorMessage(machine::OpenStream{port})), std::move(fds));
}

void MachineRun::answer(std::uint64_t request_id, UniqueFd socket) {
    std::vector<UniqueFd> fds;
    const bool accepted = socket.valid();
    if (accepted) {
        fds.push_back(std::move(socket));
    }
    const machine::SupervisorMessage reply = machine::ConnectReply{request_id, accepted};
    if (!vmm_.send(encode(reply), std::move(fds)) && vmm_.is_open()) {
        evidence_.control_failure = "the VMM asks for connections and does not read the answers";
        begin_end();
    }
}

void MachineRun::on_connect_request(const machine::ConnectRequest& request) {
    constexpr std::uint32_t kHypervisor = 0;
    if (request.destination_cid == kHypervisor) {
        answer(request.request_id,
               request.destination_port == kLifecyclePort ? init_.accept_lifecycle() : UniqueFd());
        return;
    }
    if (request.destination_port == kHeartbeatPort && !init_.heartbeat_seen()) {
        answer(request.request_id, init_.accept_heartbeat());
        return;
    }
    around_.connect(request.request_id, request.destination_port);
}

void MachineRun::on_init_line(InitLine line) {
    if (const auto* hello = std::get_if<InitHello>(&line)) {
        if (hello->beats) {
            around_.init_beats();
        }
    } else if (std::holds_alternative<InitAlive>(line)) {
        around_.init_alive();
    } else {
        evidence_.report = std::move(line);
        if (evidence_.allowed) {
            evidence_.report_after =
                std::chrono::duration_cast<milliseconds>(EventLoop::Clock::now() - asked_);
        }
        say("init reports its program's end");
    }
}

void MachineRun::on_panic(const std::string& line) {
    if (!evidence_.panic_line.empty()) {
        return;
    }
    evidence_.panic_line = printable(line, 256);
    say("kernel panic: " + evidence_.panic_line);
    timers_.after(kPanicTime, [this] { begin_end(); });
}

void MachineRun::on_exited(machine::Exited exited) {
    // The first line is the reason; a dead vCPU's registers that follow are for the log.
    std::istringstream lines(exited.detail);
    std::string line;
    while (std::getline(lines, line)) {
        say("VMM: " + printable(line, kMaxReason));
    }
    exited.detail = printable(exited.detail.substr(0, exited.detail.find('\n')), kMaxReason);
    if (!machine_started_) {
        failure_code_ = code_of_exit(exited.reason);
    }
    evidence_.machine_exit = std::move(exited);
    begin_end();
}

// --- ending ---

void MachineRun::shut_down(const std::string& by, std::uint64_t allowed_ms) {
    if (evidence_.terminated_by.empty()) {
        evidence_.terminated_by = by;
    }
    ask_for_end(allowed_ms);
}

void MachineRun::give_up(const std::string& reason, std::uint64_t allowed_ms) {
    evidence_.unhealthy = reason;
    ask_for_end(allowed_ms);
}

void MachineRun::ask_for_end(std::uint64_t allowed_ms) {
    const std::uint64_t seconds = (allowed_ms + 999) / 1000;
    if (seconds == 0 || !init_.ask_shutdown(seconds)) {
        stop_machine();
        return;
    }
    asked_ = EventLoop::Clock::now();
    evidence_.allowed = std::chrono::seconds(seconds);
    timers_.after(std::chrono::seconds(seconds) + kStopTime, [this] { stop_machine(); });
}

void MachineRun::stop_machine() {
    if (ending_) {
        return;
    }
    if (!machine_started_ || !vmm_.send(encode(machine::SupervisorMessage(machine::Stop{})))) {
        begin_end();
        return;
    }
    timers_.after(kStopTime, [this] { begin_end(); });
}

void MachineRun::begin_end() {
    if (!ending_) {
        ending_ = true;
        around_.ending();
        timers_.after(kSettling, [this] { finish(); });
    }
}

void MachineRun::drop_children() {
    for (const NamedProcess& child : children_) {
        loop_->remove(child.process.pidfd());
    }
    children_.clear();
}

void MachineRun::finish() {
    if (finished_) {
        return;
    }
    finished_ = true;
    vmm_.drain();
    init_.drain();
    around_.log->drain();
    evidence_.module_last_words = around_.log->module_last_words();
    evidence_.last_words = around_.log->last_words();
    const End end = conclude(evidence_);
    vmm_.close();
    nsm_.close();
    vmm_keeper_.reset();
    drop_children();
    init_.close();
    console_pipe_.drain();
    console_pipe_.close();
    around_.log->drain();
    plan_.memory.reset();
    around_.ended(end, failure_code_);
}

}  // namespace casemate::enclave
