// MachineRun, first half: from the image to a machine that is told to start.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "enclave/machine_run.hpp"

namespace casemate::enclave {

namespace {

using std::chrono::milliseconds;

// How long the authority may be busy with other enclaves: at the start, and while the guest's
// connections wait for this process.
constexpr milliseconds kCertificateTime{10000};
constexpr milliseconds kRenewalTime{500};
// How long the module waits for the answer at least.
constexpr milliseconds kRenewalPause{100};

EnclaveErrc code_of(nsm::RefusalKind kind) {
    switch (kind) {
        case nsm::RefusalKind::memory_too_small:
            return EnclaveErrc::memory_too_small;
        case nsm::RefusalKind::input_output:
            return EnclaveErrc::file_operation;
        case nsm::RefusalKind::bad_signature:
            return EnclaveErrc::signature_refused;
        case nsm::RefusalKind::bad_image:
            break;
    }
    return EnclaveErrc::image_not_valid;
}

}  // namespace

Result<> MachineRun::start() {
    CASEMATE_CHECK(make_memory());
    CASEMATE_TRY(console_input_, console_pipe_.open([this](ByteView bytes) {
        // Without debug mode the VMM writes nothing; the software host wants a pipe all the same.
        if (plan_.debug) {
            around_.console(bytes);
        }
    }));
    if (plan_.acceleration == Acceleration::software) {
        // It comes up while the image is loaded, and reads it when it is told to start.
        CASEMATE_CHECK(open_link());
    }
    return start_loader();
}

Result<> MachineRun::make_memory() {
    const bool huge = plan_.memory.valid();
    if (!huge) {
        CASEMATE_TRY(plan_.memory, make_memory_file("casemate-guest", plan_.memory_bytes));
    }
    say(std::string("guest memory: ") + (huge ? "reserved 2 MiB pages" : "ordinary pages"));
    return {};
}

Result<> MachineRun::start_loader() {
    CASEMATE_TRY(FdPair requests, make_socket_pair(SOCK_SEQPACKET));
    nsm_requests_ = std::move(requests.first);
    UniqueFd control;
    CASEMATE_TRY(NamedProcess process, start_nsm(*around_.paths, around_.log->input(), control));
    CASEMATE_CHECK(adopt(std::move(process)));
    CASEMATE_CHECK(nsm_.open(
        std::move(control), nsm::kMaxControlPacket,
        [this](const Packet& packet) { on_module_packet(packet); },
        [](const std::string&) { /* its process's end says more */ }));
    CASEMATE_CHECK(send_load(std::move(requests.second)));
    const milliseconds time = plan_.boot_time;
    boot_timer_ = timers_.after(time, [this, time] {
        evidence_.heartbeat_timed_out = true;
        evidence_.heartbeat_failure = "expected the guest's heartbeat within " +
                                      std::to_string(time.count()) + " ms, found none";
        begin_end();
    });
    return {};
}

Result<> MachineRun::send_load(UniqueFd requests) {
    nsm::Load load;
    load.memory_bytes = plan_.memory_bytes;
    load.debug = plan_.debug;
    around_.certification->identify(load);
    CASEMATE_TRY(UniqueFd memory, duplicate(plan_.memory.get()));
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(plan_.image));
    fds.push_back(std::move(memory));
    fds.push_back(std::move(requests));
    if (!nsm_.send(encode(load), std::move(fds))) {
        return Error(EnclaveErrc::boot_failed,
                     "expected casemate-nsm to take the image, found "
                     "that it has ended");
    }
    return {};
}

Result<> MachineRun::adopt(NamedProcess process) {
    const int pidfd = process.process.pidfd();
    say(process.name + " is process " + std::to_string(process.process.pid()));
    children_.push_back(std::move(process));
    std::vector<ChildProcess> children;
    for (const NamedProcess& child : children_) {
        const pid_t number = child.process.pid();
        children.push_back({child.name, number, process_start_ticks(number).value_or(0)});
    }
    CASEMATE_CHECK(
        loop_->add(pidfd, EPOLLIN, [this, pidfd](std::uint32_t) { on_child_end(pidfd); }));
    return around_.children(std::move(children));
}

void MachineRun::on_child_end(int pidfd) {
    const auto found =
        std::find_if(children_.begin(), children_.end(),
                     [pidfd](const NamedProcess& child) { return child.process.pidfd() == pidfd; });
    if (found == children_.end()) {
        return;
    }
    loop_->remove(pidfd);
    const auto status = found->process.wait();
    EndedProcess ended{found->name, status ? *status : ExitStatus{}};
    children_.erase(found);
    say(ended.name + " ended with " + ended.status.text());
    evidence_.processes.push_back(std::move(ended));
    // Its last packet may still be unread, and tells more.
    vmm_.drain();
    begin_end();
}

void MachineRun::fail_start(const Error& error, EnclaveErrc code) {
    evidence_.start_failure = error.detail();
    failure_code_ = error.code_as<EnclaveErrc>().value_or(code);
    begin_end();
}

void MachineRun::on_module_packet(const Packet& packet) {
    auto message = nsm::decode_module_message(packet.bytes);
    if (!message) {
        fail_start(message.error(), EnclaveErrc::boot_failed);
    } else if (const auto* refused = std::get_if<nsm::Refused>(&*message)) {
        fail_start(Error(code_of(refused->kind), refused->reason), EnclaveErrc::image_not_valid);
    } else if (auto* wanted = std::get_if<nsm::NewLeafKey>(&*message)) {
        on_new_leaf_key(std::move(*wanted));
    } else {
        on_loaded(std::get<nsm::Loaded>(std::move(*message)));
    }
}

void MachineRun::on_loaded(nsm::Loaded loaded) {
    if (measured_) {
        fail_start(Error(EnclaveErrc::boot_failed, "casemate-nsm said twice that it has loaded"),
                   EnclaveErrc::boot_failed);
        return;
    }
    measured_ = true;
    say("image loaded and measured");
    boot_image_ = std::move(loaded.image);
    std::map<std::uint16_t, std::string> measurements;
    for (const auto& [index, value] : loaded.measurements) {
        measurements[index] = to_hex(value);
    }
    auto started = around_.measured(std::move(measurements));
    if (ending_) {
        return;
    }
    // The certificate is on its way before the guest can ask for a document.
    if (started) {
        started = certify(loaded.leaf_key, kCertificateTime);
    }
    if (started) {
        started = start_machine();
    }
    if (!started) {
        fail_start(started.error(), EnclaveErrc::boot_failed);
    }
}

Result<> MachineRun::certify(ByteView leaf_key, milliseconds patience) {
    CASEMATE_TRY(const auto certified, around_.certification->certify(leaf_key, patience));
    if (!certified.news.empty()) {
        say(certified.news);
        around_.progress(certified.news);
    }
    if (!nsm_.send(encode(nsm::SupervisorMessage(certified.packet)))) {
        return Error(EnclaveErrc::boot_failed,
                     "expected casemate-nsm to take its certificate, found that it has ended");
    }
    return {};
}

void MachineRun::on_new_leaf_key(nsm::NewLeafKey wanted) {
    // The last one counts, and not at once: a module that asks without end keeps nothing else from
    // its turn.
    new_leaf_key_ = std::move(wanted.leaf_key);
    if (renewal_timer_ == 0) {
        renewal_timer_ = timers_.after(kRenewalPause, [this] { renew_certificate(); });
    }
}

void MachineRun::renew_certificate() {
    renewal_timer_ = 0;
    if (ending_ || !measured_) {
        return;
    }
    const auto certified = certify(new_leaf_key_, kRenewalTime);
    say(certified ? "a new leaf key is certified"
                  : "a new leaf key is not certified, and casemate-nsm will ask again: " +
                        certified.error().detail());
}

Result<VmmLink> MachineRun::make_link() {
    VmmRequest request;
    request.paths = around_.paths;
    request.memory_bytes = plan_.memory_bytes;
    request.memory = plan_.memory.get();
    request.log = around_.log->input();
    // The log outlives every part of the machine.
    request.say = [log = around_.log](const std::string& line) { log->say(line); };
    return plan_.acceleration == Acceleration::software ? start_software(*loop_, request)
                                                        : start_direct(request);
}

Result<> MachineRun::start_machine() {
    if (plan_.acceleration != Acceleration::software) {
        CASEMATE_CHECK(open_link());
    }
    return send_start();
}

Result<> MachineRun::open_link() {
    CASEMATE_TRY(VmmLink link, make_link());
    vmm_keeper_ = std::move(link.keeper);
    kvm_ = std::move(link.kvm);
    for (NamedProcess& process : link.processes) {
        CASEMATE_CHECK(adopt(std::move(process)));
    }
    return vmm_.open(
        std::move(link.control), machine::kMaxControlPacket,
        [this](Packet packet) { on_vmm_packet(std::move(packet)); },
        [this](const std::string& reason) {
            evidence_.control_failure = "the VMM's control connection ended: " + reason;
            begin_end();
        });
}

Result<> MachineRun::send_start() {
    machine::Start start;
    start.memory_bytes = plan_.memory_bytes;
    start.vcpu_count = plan_.vcpus;
    start.guest_cid = plan_.cid;
    start.console = plan_.debug;
    start.image = boot_image_;
    std::vector<UniqueFd> fds;
    for (const int fd : {plan_.memory.get(), nsm_requests_.get(), console_input_.get()}) {
        CASEMATE_TRY(UniqueFd copy, duplicate(fd));
        fds.push_back(std::move(copy));
    }
    if (kvm_.valid()) {
        fds.push_back(std::move(kvm_));
    }
    if (!vmm_.send(encode(machine::SupervisorMessage(std::move(start))), std::move(fds))) {
        return Error(EnclaveErrc::boot_failed,
                     "expected the VMM to take its start, found that it "
                     "has ended");
    }
    return {};
}

}  // namespace casemate::enclave
