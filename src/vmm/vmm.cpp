#include "vmm/vmm.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "jail/jail.hpp"
#include "jail/profile.hpp"
#include "machine/guest_memory.hpp"
#include "machine/machine.hpp"
#include "machine/step.hpp"
#include "machine/vcpu.hpp"
#include "vmm/console.hpp"
#include "vmm/control_channel.hpp"
#include "vmm/devices.hpp"
#include "vmm/log.hpp"
#include "vmm/start.hpp"

namespace casemate::vmm {

namespace {

using machine::ExitReason;

// How long the console's reader may take for the guest's last words.
constexpr std::chrono::milliseconds kLastWords{1000};
// The longest detail of an Exited message (machine/control.hpp).
constexpr std::size_t kMaxDetail = 8192;

machine::End failure(const Error& error) {
    const auto step = error.code_as<machine::StepErrc>();
    return {step ? machine::reason_of(*step) : ExitReason::failed, error.message()};
}

// Vmm: one machine, from Start to its end.
class Vmm final : public virtio::vsock::VsockHost {
public:
    Vmm(EventLoop& loop, ControlChannel& channel) : loop_(&loop), channel_(&channel) {}
    Vmm(const Vmm&) = delete;
    Vmm& operator=(const Vmm&) = delete;
    // The vCPUs use the devices, so they stop first.
    ~Vmm() override {
        if (machine_) {
            machine_->stop();
        }
    }

    // make makes the machine; nothing of the guest runs yet.
    [[nodiscard]] Result<> make(const machine::Start& start, StartDescriptors descriptors);
    // run runs it to its end.
    [[nodiscard]] Result<machine::End> run();

    // VsockHost
    void request_connection(std::uint64_t id, std::uint32_t cid, std::uint32_t port,
                            std::uint32_t source_port) override;

private:
    void received(machine::SupervisorMessage message, std::vector<UniqueFd> descriptors);
    void open_stream(const machine::OpenStream& message, std::vector<UniqueFd> descriptors);
    void connect_reply(const machine::ConnectReply& message, std::vector<UniqueFd> descriptors);
    // deliver_last_words passes on what the guest sent before it ended, to whoever reads it.
    [[nodiscard]] Result<> deliver_last_words();
    // end_with ends the loop for a reason outside of the machine.
    void end_with(machine::End end);

    EventLoop* loop_;
    ControlChannel* channel_;
    // debug: what the guest says and has may be shown.
    bool debug_ = false;
    std::optional<machine::End> end_;
    std::optional<machine::GuestMemory> memory_;
    std::unique_ptr<Console> console_;
    std::unique_ptr<machine::Machine> machine_;
    std::unique_ptr<Devices> devices_;
};

Result<> Vmm::make(const machine::Start& start, StartDescriptors descriptors) {
    CASEMATE_CHECK(check_start(start));
    CASEMATE_TRY(auto memory, machine::at_step(machine::StepErrc::set_memory,
                                               machine::GuestMemory::map(descriptors.memory.get(),
                                                                         start.memory_bytes)));
    memory_.emplace(std::move(memory));
    CASEMATE_TRY(console_, Console::create(
                               *loop_, start.console ? std::move(descriptors.console) : UniqueFd(),
                               [this](std::string line) {
                                   channel_->send(machine::GuestPanicked{std::move(line)});
                               }));
    debug_ = start.console;
    machine::MachineOptions options;
    options.vcpu_count = start.vcpu_count;
    options.pinned_cpus = start.pinned_cpus;
    options.console = [console = console_.get()](std::uint8_t byte) { console->put(byte); };
    CASEMATE_TRY(machine_, machine::Machine::create(std::move(descriptors.kvm), *memory_,
                                                    std::move(options)));
    CASEMATE_TRY(devices_, Devices::create(*loop_, *memory_, *machine_, *this, start.guest_cid,
                                           std::move(descriptors.nsm)));
    machine::BootImage image = start.image;
    if (!start.console) {
        // Nobody will read what the kernel says, and saying it takes most of an emulated boot. A
        // panic is said all the same.
        image.command_line += " quiet";
    }
    return machine_->load(image);
}

Result<machine::End> Vmm::run() {
    CASEMATE_CHECK(loop_->add(machine_->ended_fd(), EPOLLIN,
                              [this](std::uint32_t /*events*/) { loop_->stop(); }));
    CASEMATE_CHECK(channel_->watch(
        [this](machine::SupervisorMessage message, std::vector<UniqueFd> descriptors) {
            received(std::move(message), std::move(descriptors));
        },
        [this](const Error& reason) { end_with(failure(reason)); }));
    machine_->start();
    channel_->send(machine::Started{});
    CASEMATE_CHECK(loop_->run());
    machine_->stop();
    CASEMATE_CHECK(deliver_last_words());
    console_->flush(kLastWords);
    machine::End end = end_ ? *end_ : *machine_->end();
    if (!debug_) {
        // Keys may have been in the registers: no more than the console do they leave the VMM.
        end.detail.resize(std::min(end.detail.size(), end.detail.find('\n')));
    }
    return end;
}

Result<> Vmm::deliver_last_words() {
    const auto deadline = EventLoop::Clock::now() + kLastWords;
    devices_->vsock().drain();
    while (devices_->vsock().has_unsent() && EventLoop::Clock::now() < deadline) {
        CASEMATE_CHECK(loop_->run_once(std::chrono::milliseconds(10)));
    }
    return {};
}

void Vmm::received(machine::SupervisorMessage message, std::vector<UniqueFd> descriptors) {
    if (const auto* stream = std::get_if<machine::OpenStream>(&message)) {
        open_stream(*stream, std::move(descriptors));
    } else if (const auto* reply = std::get_if<machine::ConnectReply>(&message)) {
        connect_reply(*reply, std::move(descriptors));
    } else if (std::holds_alternative<machine::Stop>(message)) {
        loop_->stop();
    } else {
        end_with({ExitReason::failed, "the supervisor sent a second Start"});
    }
}

void Vmm::open_stream(const machine::OpenStream& message, std::vector<UniqueFd> descriptors) {
    if (descriptors.size() != 1) {
        return end_with({ExitReason::failed, "expected one descriptor with OpenStream, found " +
                                                 std::to_string(descriptors.size())});
    }
    devices_->vsock().open_stream(message.guest_port, std::move(descriptors[0]));
}

void Vmm::connect_reply(const machine::ConnectReply& message, std::vector<UniqueFd> descriptors) {
    const std::size_t expected = message.accepted ? 1 : 0;
    if (descriptors.size() != expected) {
        return end_with({ExitReason::failed,
                         "expected a descriptor with an accepted ConnectReply and none with a "
                         "refused one, found " +
                             std::to_string(descriptors.size())});
    }
    if (message.accepted) {
        devices_->vsock().connection_accepted(message.request_id, std::move(descriptors[0]));
    } else {
        devices_->vsock().connection_refused(message.request_id);
    }
}

void Vmm::request_connection(std::uint64_t id, std::uint32_t cid, std::uint32_t port,
                             std::uint32_t source_port) {
    if (!channel_->send(machine::ConnectRequest{id, cid, port, source_port})) {
        // The answer must not come from inside this call.
        loop_->after(std::chrono::milliseconds(0),
                     [this, id] { devices_->vsock().connection_refused(id); });
    }
}

void Vmm::end_with(machine::End end) {
    if (!end_) {
        end_ = std::move(end);
    }
    loop_->stop();
}

Result<machine::End> run_machine(EventLoop& loop, ControlChannel& channel) {
    CASEMATE_TRY(auto message, channel.receive());
    if (std::holds_alternative<machine::Stop>(message.first)) {
        return machine::End{ExitReason::stopped, "the supervisor stopped before it started"};
    }
    const auto* start = std::get_if<machine::Start>(&message.first);
    if (start == nullptr) {
        return Error(VmmErrc::bad_request, "expected Start first");
    }
    CASEMATE_TRY(auto descriptors, take_descriptors(std::move(message.second)));
    Vmm vmm(loop, channel);
    CASEMATE_CHECK(vmm.make(*start, std::move(descriptors)));
    // From here on no machine can be made and no thread started.
    CASEMATE_CHECK(machine::at_step(machine::StepErrc::start,
                                    jail::restrict_calls(jail::vmm_running_profile())));
    return vmm.run();
}

Result<> enter_jail() {
    CASEMATE_CHECK(machine::use_kick_signal());
    // A console or a stream that nobody reads any more is an error of that write alone.
    std::signal(SIGPIPE, SIG_IGN);
    CASEMATE_TRY(const auto report, jail::enter(jail::vmm_profile()));
    for (const auto& note : report.notes) {
        log(note);
    }
    return {};
}

}  // namespace

int run_vmm(UniqueFd control) {
    const auto jailed = enter_jail();
    auto loop = EventLoop::create();
    if (!jailed || !loop) {
        log((jailed ? loop.error() : jailed.error()).message());
        return 1;
    }
    ControlChannel channel(*loop, std::move(control));
    const auto result = run_machine(*loop, channel);
    machine::End end = result ? *result : failure(result.error());
    end.detail.resize(std::min(end.detail.size(), kMaxDetail));
    const auto sent = channel.send_last(machine::Exited{end.reason, std::move(end.detail)});
    if (!sent) {
        log("the supervisor is gone: " + sent.error().message());
        return 1;
    }
    return 0;
}

}  // namespace casemate::vmm
