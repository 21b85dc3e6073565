#include "enclave/supervision.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "base/os_error.hpp"
#include "eif/reader.hpp"
#include "softhost/launcher.hpp"

namespace casemate::enclave {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kMiB = 1ULL << 20U;
// The longest line of the VMM's that is passed on.
constexpr std::size_t kMaxReason = 1024;
// How long the rest of the evidence may take: which process died first, what init's last line was.
constexpr milliseconds kSettling{100};
// How long a kernel that panicked may still print.
constexpr milliseconds kPanicTime{1000};
// How long the VMM may take to stop, and init beyond the program's own time.
constexpr milliseconds kStopTime{1000};
// How long the authority may be busy with other enclaves: at the start, and while the guest's
// connections wait for this process.
constexpr milliseconds kCertificateTime{10000};
constexpr milliseconds kRenewalTime{500};
// How long the module waits for the answer at least.
constexpr milliseconds kRenewalPause{100};
// How long readers of the console and of answers may take at the end.
constexpr milliseconds kLeaveTime{2000};

std::string list_text(const std::vector<std::uint32_t>& numbers) {
    std::string text;
    for (const std::uint32_t number : numbers) {
        text += (text.empty() ? "" : ", ") + std::to_string(number);
    }
    return "[" + text + "]";
}

// The image's metadata; empty when it has none to show. Whether the image is good is for
// casemate-nsm to say.
std::string read_metadata(int image) {
    const auto index = eif::read_index(image);
    const eif::Section* section = index ? index->find(eif::SectionType::metadata) : nullptr;
    if (section == nullptr) {
        return "";
    }
    const auto bytes = eif::read_section(image, *section, eif::kMaxMetadataSize);
    return bytes ? presentable_metadata(*bytes) : "";
}

}  // namespace

Supervision::~Supervision() {
    drop_children();
    loop_->remove(channel_.get());
    loop_->remove(heartbeat_.get());
    close_lifecycle();
}

// --- starting ---

Result<> Supervision::start() {
    auto prepared = prepare();
    if (!prepared) {
        say("not started: " + prepared.error().message());
        const int code = nitro_code(prepared.error(), EnclaveErrc::file_operation);
        const std::string id = registration_ ? record_.id : "";
        if (registration_) {
            record_.state = EnclaveState::ended;
            record_.ended_ms = now_ms();
            record_.end = End{EndKind::start_failed, prepared.error().detail(), {}, {}};
            publish();
        }
        drop_children();
        broker_.reset();
        control_.reset();
        if (registration_) {
            registration_->remove();
        }
        report(FailedReport{code, prepared.error().detail(), id});
    }
    return prepared;
}

Result<> Supervision::prepare() {
    CASEMATE_CHECK(check_request());
    CASEMATE_CHECK(watch_channel());
    CASEMATE_CHECK(take_place());
    CASEMATE_CHECK(open_history());
    say("enclave " + record_.id + " (" + printable(record_.name, 128) + "), CID " +
        std::to_string(record_.cid) + ", image " + record_.image_path);
    CASEMATE_CHECK(open_sockets());
    tell_acceleration();
    report(Progress{"Start allocating memory..."});
    CASEMATE_CHECK(make_memory());
    if (acceleration_ == Acceleration::software) {
        // It comes up while the image is loaded, and reads it when it is told to start.
        CASEMATE_CHECK(open_link());
    }
    return start_loader();
}

Result<> Supervision::take_place() {
    record_.name = configuration_.name;
    record_.supervisor = ::getpid();
    record_.owner = ::geteuid();
    record_.cid = configuration_.cid;
    record_.memory_mib = configuration_.memory_mib;
    record_.debug = configuration_.debug;
    record_.image_path = configuration_.image_path;
    record_.created_ms = now_ms();
    CASEMATE_TRY(authority::Instance instance, read_identity(configuration_.paths));
    CASEMATE_TRY(Registration registration,
                 Registry(configuration_.paths).register_enclave(record_, instance.instance_id));
    registration_.emplace(std::move(registration));
    certification_.emplace(configuration_.paths, std::move(instance), record_.id, acceleration_,
                           record_.debug);
    return {};
}

Result<> Supervision::check_request() {
    auto image = open_file(configuration_.image_path, O_RDONLY | O_NONBLOCK);
    if (!image) {
        return Error(EnclaveErrc::file_operation,
                     "expected to open the enclave image, found " + image.error().message() +
                         ". File: '" + configuration_.image_path + "', failing operation: 'Open'.");
    }
    image_ = std::move(*image);
    CASEMATE_TRY(image_bytes_, file_size(image_.get()));
    CASEMATE_TRY(const auto online, online_cpus());
    CASEMATE_TRY(record_.cpu_ids,
                 choose_cpus(configuration_.cpu_ids, configuration_.cpu_count, online));
    const Chosen chosen = choose_acceleration(configuration_.acceleration, configuration_.paths);
    acceleration_ = chosen.acceleration;
    acceleration_reason_ = chosen.reason;
    record_.acceleration = name_of(acceleration_);
    take_huge_pages();
    CASEMATE_TRY(std::uint64_t available, available_memory_mib());
    if (memory_.valid()) {
        // Taken already, and not of what the kernel counts as available.
        available = configuration_.memory_mib;
    }
    CASEMATE_CHECK(check_memory(image_bytes_, configuration_.memory_mib, available));
    if (acceleration_ == Acceleration::software) {
        // The emulated machine needs some for itself.
        const std::uint64_t own =
            softhost::machine_memory(configuration_.memory_mib * kMiB) - configuration_.memory_mib;
        available -= std::min(available, own);
    }
    CASEMATE_CHECK(check_memory(image_bytes_, configuration_.memory_mib, available));
    record_.image_metadata = read_metadata(image_.get());
    return {};
}

void Supervision::take_huge_pages() {
    const std::uint64_t bytes = configuration_.memory_mib * kMiB;
    // The emulated machine reads the file through its disk, where large pages gain nothing.
    if (acceleration_ != Acceleration::kvm || bytes % kHugePageSize != 0) {
        return;
    }
    auto memory = make_huge_memory_file("casemate-guest", bytes);
    if (memory) {
        memory_ = std::move(*memory);
    }
}

void Supervision::tell_acceleration() {
    say("acceleration: " + record_.acceleration + " (" + acceleration_reason_ + ")");
    if (configuration_.acceleration == Acceleration::automatic &&
        acceleration_ == Acceleration::software) {
        report(Progress{"No usable hardware virtualization (" + acceleration_reason_ +
                        "): the enclave runs in the software host, which takes some seconds to "
                        "start..."});
    }
}

Result<> Supervision::open_history() {
    const std::string directory = configuration_.paths.history(record_.id);
    CASEMATE_TRY(UniqueFd log, open_file(directory + "/log", O_WRONLY | O_CREAT | O_APPEND, 0600));
    // What libraries and the runtime print goes there too.
    if (::dup2(log.get(), 2) < 0) {
        return os_error("make the log standard error");
    }
    log_ = CappedFile(std::move(log));
    CASEMATE_TRY(log_input_, log_pipe_.open([this](ByteView bytes) { on_log(bytes); }));
    if (!configuration_.debug) {
        // The VMM writes nothing to it; the software host wants a pipe all the same.
        CASEMATE_TRY(console_input_, console_pipe_.open([](ByteView) {}));
        return {};
    }
    CASEMATE_TRY(UniqueFd console,
                 open_file(directory + "/console.log", O_WRONLY | O_CREAT | O_APPEND, 0600));
    console_.write_to_file_too(CappedFile(std::move(console)));
    CASEMATE_TRY(console_input_,
                 console_pipe_.open([this](ByteView bytes) { console_.append(bytes); }));
    return {};
}

Result<> Supervision::open_sockets() {
    const Paths& paths = configuration_.paths;
    const std::string place = paths.enclave(record_.id);
    StreamBroker::Hooks streams;
    streams.open_stream = [this](std::uint32_t port, UniqueFd socket) {
        std::vector<UniqueFd> fds;
        fds.push_back(std::move(socket));
        return vmm_.send(encode(machine::SupervisorMessage(machine::OpenStream{port})),
                         std::move(fds));
    };
    streams.answer = [this](std::uint64_t id, UniqueFd socket) { answer(id, std::move(socket)); };
    broker_ = std::make_unique<StreamBroker>(
        *loop_, std::vector<std::string>{place + "/parent", paths.parent_ports()},
        std::move(streams));
    CASEMATE_CHECK(broker_->listen(place + "/vsock"));

    ControlServer::Hooks commands;
    commands.describe = [this] { return to_json(record_); };
    commands.terminate = [this] { request_end("terminate-enclave"); };
    commands.console_allowed = [this]() -> Result<> {
        if (!record_.debug) {
            return Error(EnclaveErrc::console,
                         "expected an enclave in debug mode, found one without; its console can't "
                         "be read");
        }
        return {};
    };
    commands.console = [this](UniqueFd socket) {
        static_cast<void>(console_.add_reader(std::move(socket)));
    };
    control_ = std::make_unique<ControlServer>(*loop_, std::move(commands));
    return control_->listen(paths.control(record_.id));
}

Result<> Supervision::watch_channel() {
    // run-enclave that goes away before the enclave runs was interrupted.
    return loop_->add(channel_.get(), EPOLLIN | EPOLLRDHUP, [this](std::uint32_t) {
        loop_->remove(channel_.get());
        channel_.reset();
        request_end("the end of run-enclave before the enclave had started");
    });
}

Result<> Supervision::make_memory() {
    const std::uint64_t memory_bytes = configuration_.memory_mib * kMiB;
    const bool huge = memory_.valid();
    if (!huge) {
        CASEMATE_TRY(memory_, make_memory_file("casemate-guest", memory_bytes));
    }
    say(std::string("guest memory: ") + (huge ? "reserved 2 MiB pages" : "ordinary pages"));
    return {};
}

Result<> Supervision::start_loader() {
    const std::uint64_t memory_bytes = configuration_.memory_mib * kMiB;
    CASEMATE_TRY(FdPair requests, make_socket_pair(SOCK_SEQPACKET));
    nsm_requests_ = std::move(requests.first);
    UniqueFd control;
    CASEMATE_TRY(NamedProcess process, start_nsm(configuration_.paths, log_input_.get(), control));
    CASEMATE_CHECK(adopt(std::move(process)));
    CASEMATE_CHECK(nsm_.open(
        std::move(control), nsm::kMaxControlPacket,
        [this](const Packet& packet) { on_module_packet(packet); },
        [](const std::string&) { /* its process's end says more */ }));
    nsm::Load load;
    load.memory_bytes = memory_bytes;
    load.debug = record_.debug;
    certification_->identify(load);
    CASEMATE_TRY(UniqueFd memory, duplicate(memory_.get()));
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(image_));
    fds.push_back(std::move(memory));
    fds.push_back(std::move(requests.second));
    if (!nsm_.send(encode(load), std::move(fds))) {
        return Error(EnclaveErrc::boot_failed,
                     "expected casemate-nsm to take the image, found "
                     "that it has ended");
    }
    const milliseconds time = configuration_.boot_timeout_ms != 0
                                  ? milliseconds(configuration_.boot_timeout_ms)
                                  : boot_timeout(image_bytes_, memory_bytes);
    boot_timer_ = loop_->after(time, [this, time] {
        evidence_.heartbeat_timed_out = true;
        evidence_.heartbeat_failure = "expected the guest's heartbeat within " +
                                      std::to_string(time.count()) + " ms, found none";
        begin_end();
    });
    return {};
}

Result<> Supervision::adopt(NamedProcess process) {
    const int pidfd = process.process.pidfd();
    const pid_t pid = process.process.pid();
    say(process.name + " is process " + std::to_string(pid));
    children_.push_back(std::move(process));
    record_.children.clear();
    for (const NamedProcess& child : children_) {
        const pid_t number = child.process.pid();
        record_.children.push_back({child.name, number, process_start_ticks(number).value_or(0)});
    }
    CASEMATE_CHECK(
        loop_->add(pidfd, EPOLLIN, [this, pidfd](std::uint32_t) { on_child_end(pidfd); }));
    return registration_->publish(record_);
}

void Supervision::on_child_end(int pidfd) {
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

void Supervision::fail_start(const Error& error, EnclaveErrc code) {
    evidence_.start_failure = error.detail();
    failure_code_ = error.code_as<EnclaveErrc>().value_or(code);
    begin_end();
}

void Supervision::on_module_packet(const Packet& packet) {
    auto message = nsm::decode_module_message(packet.bytes);
    if (!message) {
        fail_start(message.error(), EnclaveErrc::boot_failed);
        return;
    }
    if (const auto* refused = std::get_if<nsm::Refused>(&*message)) {
        EnclaveErrc code = EnclaveErrc::image_not_valid;
        if (refused->kind == nsm::RefusalKind::memory_too_small) {
            code = EnclaveErrc::memory_too_small;
        } else if (refused->kind == nsm::RefusalKind::input_output) {
            code = EnclaveErrc::file_operation;
        } else if (refused->kind == nsm::RefusalKind::bad_signature) {
            code = EnclaveErrc::signature_refused;
        }
        fail_start(Error(code, refused->reason), code);
        return;
    }
    if (auto* wanted = std::get_if<nsm::NewLeafKey>(&*message)) {
        on_new_leaf_key(std::move(*wanted));
        return;
    }
    on_loaded(std::get<nsm::Loaded>(std::move(*message)));
}

void Supervision::on_loaded(nsm::Loaded loaded) {
    if (!record_.measurements.empty()) {
        fail_start(Error(EnclaveErrc::boot_failed, "casemate-nsm said twice that it has loaded"),
                   EnclaveErrc::boot_failed);
        return;
    }
    say("image loaded and measured");
    boot_image_ = std::move(loaded.image);
    for (const auto& [index, value] : loaded.measurements) {
        record_.measurements[index] = to_hex(value);
    }
    publish();
    if (ending_) {
        return;
    }
    // The certificate is on its way before the guest can ask for a document.
    auto started = certify(loaded.leaf_key, kCertificateTime);
    if (started) {
        started = start_machine();
    }
    if (!started) {
        fail_start(started.error(), EnclaveErrc::boot_failed);
    }
}

Result<> Supervision::certify(ByteView leaf_key, milliseconds patience) {
    CASEMATE_TRY(const auto certified, certification_->certify(leaf_key, patience));
    if (!certified.news.empty()) {
        say(certified.news);
        report(Progress{certified.news});
    }
    if (!nsm_.send(encode(nsm::SupervisorMessage(certified.packet)))) {
        return Error(EnclaveErrc::boot_failed,
                     "expected casemate-nsm to take its certificate, found that it has ended");
    }
    return {};
}

void Supervision::on_new_leaf_key(nsm::NewLeafKey wanted) {
    // The last one counts, and not at once: a module that asks without end keeps nothing else from
    // its turn.
    new_leaf_key_ = std::move(wanted.leaf_key);
    if (renewal_timer_ == 0) {
        renewal_timer_ = loop_->after(kRenewalPause, [this] { renew_certificate(); });
    }
}

void Supervision::renew_certificate() {
    renewal_timer_ = 0;
    if (ending_ || record_.measurements.empty()) {
        return;
    }
    const auto certified = certify(new_leaf_key_, kRenewalTime);
    say(certified ? "a new leaf key is certified"
                  : "a new leaf key is not certified, and casemate-nsm will ask again: " +
                        certified.error().detail());
}

Result<VmmLink> Supervision::make_link() {
    VmmRequest request;
    request.paths = &configuration_.paths;
    request.memory_bytes = configuration_.memory_mib * kMiB;
    request.memory = memory_.get();
    request.log = log_input_.get();
    request.say = [this](const std::string& line) { say(line); };
    return acceleration_ == Acceleration::software ? start_software(*loop_, request)
                                                   : start_direct(request);
}

Result<> Supervision::start_machine() {
    if (acceleration_ != Acceleration::software) {
        CASEMATE_CHECK(open_link());
    }
    return send_start();
}

Result<> Supervision::open_link() {
    CASEMATE_TRY(VmmLink link, make_link());
    vmm_keeper_ = std::move(link.keeper);
    kvm_ = std::move(link.kvm);
    for (NamedProcess& process : link.processes) {
        CASEMATE_CHECK(adopt(std::move(process)));
    }
    return vmm_.open(
        std::move(link.control), machine::kMaxControlPacket,
        [this](Packet packet) { on_vmm_packet(std::move(packet)); },
        [this](const std::string& reason) { on_vmm_closed(reason); });
}

Result<> Supervision::send_start() {
    machine::Start start;
    start.memory_bytes = configuration_.memory_mib * kMiB;
    start.vcpu_count = static_cast<std::uint32_t>(record_.cpu_ids.size());
    start.guest_cid = record_.cid;
    start.console = record_.debug;
    start.image = boot_image_;
    std::vector<UniqueFd> fds;
    for (const int fd : {memory_.get(), nsm_requests_.get(), console_input_.get()}) {
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

// --- running ---

void Supervision::on_vmm_closed(const std::string& reason) {
    evidence_.control_failure = "the VMM's control connection ended: " + reason;
    begin_end();
}

void Supervision::on_vmm_packet(Packet packet) {
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

void Supervision::on_started() {
    if (machine_started_) {
        return;
    }
    machine_started_ = true;
    // From here on guest memory is the VMM's alone, and goes when it does.
    memory_.reset();
    nsm_requests_.reset();
    console_input_.reset();
    boot_image_ = {};
    say("the machine runs");
    report(Progress{"Started enclave with enclave-cid: " + std::to_string(record_.cid) +
                    ", memory: " + std::to_string(record_.memory_mib) +
                    " MiB, cpu-ids: " + list_text(record_.cpu_ids)});
    broker_->guest_can_be_reached();
}

void Supervision::answer(std::uint64_t request_id, UniqueFd socket) {
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

void Supervision::on_connect_request(const machine::ConnectRequest& request) {
    constexpr std::uint32_t kHypervisor = 0;
    if (request.destination_cid == kHypervisor) {
        if (request.destination_port == kLifecyclePort && heartbeat_seen_ && !lifecycle_used_) {
            accept_lifecycle(request.request_id);
        } else {
            answer(request.request_id, UniqueFd());
        }
        return;
    }
    if (request.destination_port == kHeartbeatPort && !heartbeat_seen_) {
        accept_heartbeat(request.request_id);
        return;
    }
    broker_->connect(request.request_id, request.destination_port);
}

void Supervision::accept_heartbeat(std::uint64_t request_id) {
    auto sockets = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (heartbeat_.valid() || !sockets ||
        !loop_->add(sockets->first.get(), EPOLLIN, [this](std::uint32_t) { on_heartbeat(); })) {
        answer(request_id, UniqueFd());
        return;
    }
    heartbeat_ = std::move(sockets->first);
    answer(request_id, std::move(sockets->second));
}

void Supervision::on_heartbeat() {
    std::uint8_t byte = 0;
    const ssize_t size = ::recv(heartbeat_.get(), &byte, 1, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    loop_->remove(heartbeat_.get());
    const UniqueFd stream = std::move(heartbeat_);
    if (size != 1) {
        // Closed without a word: another may come.
        return;
    }
    if (byte != kHeartbeat) {
        evidence_.heartbeat_failure =
            "expected the guest's heartbeat byte 0xb7, found 0x" + to_hex(ByteView(&byte, 1));
        begin_end();
        return;
    }
    static_cast<void>(::send(stream.get(), &kHeartbeat, 1, MSG_NOSIGNAL | MSG_DONTWAIT));
    heartbeat_seen_ = true;
    loop_->cancel(boot_timer_);
    on_running();
}

void Supervision::on_running() {
    if (ending_ || running_) {
        return;
    }
    running_ = true;
    if (record_.state == EnclaveState::empty) {
        record_.state = EnclaveState::running;
    }
    record_.started_ms = now_ms();
    say("heartbeat: the enclave runs, " + std::to_string(record_.started_ms - record_.created_ms) +
        " ms after run-enclave");
    publish();
    report(StartedReport{record_});
    loop_->remove(channel_.get());
    channel_.reset();
}

void Supervision::accept_lifecycle(std::uint64_t request_id) {
    auto sockets = make_socket_pair(SOCK_STREAM | SOCK_NONBLOCK);
    if (!sockets ||
        !loop_->add(sockets->first.get(), EPOLLIN, [this](std::uint32_t) { on_lifecycle(); })) {
        answer(request_id, UniqueFd());
        return;
    }
    lifecycle_ = std::move(sockets->first);
    lifecycle_used_ = true;
    answer(request_id, std::move(sockets->second));
}

void Supervision::on_lifecycle() {
    std::array<std::uint8_t, kMaxInitLine> buffer{};
    const auto size = read_some(lifecycle_.get(), buffer);
    if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
        return;
    }
    if (!size || *size == 0) {
        close_lifecycle();
        return;
    }
    for (InitLine& line : init_lines_.feed(ByteView(buffer).first(*size))) {
        if (!std::holds_alternative<InitHello>(line)) {
            evidence_.report = std::move(line);
            say("init reports its program's end");
        }
    }
    if (init_lines_.broken()) {
        say("init's stream says what is not understood; it is closed");
        close_lifecycle();
    }
}

void Supervision::close_lifecycle() {
    if (lifecycle_.valid()) {
        loop_->remove(lifecycle_.get());
        lifecycle_.reset();
    }
}

void Supervision::on_panic(const std::string& line) {
    if (!evidence_.panic_line.empty()) {
        return;
    }
    evidence_.panic_line = printable(line, 256);
    say("kernel panic: " + evidence_.panic_line);
    loop_->after(kPanicTime, [this] { begin_end(); });
}

void Supervision::on_log(ByteView bytes) {
    log_.write(bytes);
    for (const std::uint8_t byte : bytes) {
        if (byte == '\n') {
            std::string& words = log_line_.starts_with(kModuleProgram) ? evidence_.module_last_words
                                                                       : evidence_.last_words;
            words = printable(log_line_, kMaxReason);
            log_line_.clear();
        } else if (log_line_.size() < kMaxReason) {
            log_line_.push_back(static_cast<char>(byte));
        }
    }
}

void Supervision::on_exited(machine::Exited exited) {
    // The first line is the reason; a dead vCPU's registers that follow are for the log.
    std::istringstream lines(exited.detail);
    std::string line;
    while (std::getline(lines, line)) {
        say("VMM: " + printable(line, kMaxReason));
    }
    exited.detail = printable(exited.detail.substr(0, exited.detail.find('\n')), kMaxReason);
    evidence_.machine_exit = std::move(exited);
    begin_end();
}

// --- ending ---

void Supervision::request_end(const std::string& by) {
    if (ending_) {
        return;
    }
    const bool again = !evidence_.terminated_by.empty();
    if (!again) {
        evidence_.terminated_by = by;
        record_.state = EnclaveState::terminating;
        say("the end is asked for by " + by);
        publish();
    }
    if (again || !lifecycle_.valid() || configuration_.shutdown_ms == 0) {
        stop_machine();
        return;
    }
    const std::uint64_t seconds = (configuration_.shutdown_ms + 999) / 1000;
    const std::string line = "shutdown " + std::to_string(seconds) + "\n";
    if (::send(lifecycle_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        stop_machine();
        return;
    }
    loop_->after(std::chrono::seconds(seconds) + kStopTime, [this] { stop_machine(); });
}

void Supervision::stop_machine() {
    if (ending_) {
        return;
    }
    if (!machine_started_ || !vmm_.send(encode(machine::SupervisorMessage(machine::Stop{})))) {
        begin_end();
        return;
    }
    loop_->after(kStopTime, [this] { begin_end(); });
}

void Supervision::begin_end() {
    if (!ending_) {
        ending_ = true;
        record_.state = EnclaveState::terminating;
        loop_->after(kSettling, [this] { finish(); });
    }
}

void Supervision::drop_children() {
    for (const NamedProcess& child : children_) {
        loop_->remove(child.process.pidfd());
    }
    children_.clear();
}

void Supervision::finish() {
    if (finished_) {
        return;
    }
    finished_ = true;
    vmm_.drain();
    // Init writes at most a few lines: more than these turns is a guest that wants to stay.
    for (int turn = 0; turn < 8 && lifecycle_.valid(); ++turn) {
        on_lifecycle();
    }
    log_pipe_.drain();
    const End end = conclude(evidence_);
    vmm_.close();
    nsm_.close();
    vmm_keeper_.reset();
    drop_children();
    close_lifecycle();
    console_pipe_.drain();
    console_pipe_.close();
    log_pipe_.drain();
    memory_.reset();
    broker_.reset();
    say("ended: " + end.reason);
    record_.end = end;
    record_.state = EnclaveState::ended;
    record_.ended_ms = now_ms();
    record_.children.clear();
    publish();
    registration_->remove();
    tell_run_enclave_the_end();
    control_->finish(to_json(record_));
    console_.finish();
    loop_->after(kLeaveTime, [this] { loop_->stop(); });
    leave_when_read();
}

void Supervision::tell_run_enclave_the_end() {
    if (!running_) {
        const int code = static_cast<int>(failure_code_);
        report(FailedReport{code, record_.end->reason, record_.id});
    }
}

void Supervision::leave_when_read() {
    if (!console_.has_readers() && !control_->busy()) {
        loop_->stop();
        return;
    }
    loop_->after(milliseconds(20), [this] { leave_when_read(); });
}

// --- telling ---

void Supervision::say(const std::string& line) {
    log_.write(as_bytes(timestamp(now_ms()) + " " + line + "\n"));
}

void Supervision::report(const StartReport& report) {
    if (channel_.valid()) {
        const std::string line = to_json(report) + "\n";
        static_cast<void>(::send(channel_.get(), line.data(), line.size(), MSG_NOSIGNAL));
    }
}

void Supervision::publish() {
    const auto published = registration_->publish(record_);
    if (!published) {
        say("the record was not written: " + published.error().message());
    }
}

}  // namespace casemate::enclave
