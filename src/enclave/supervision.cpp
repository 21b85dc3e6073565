#include "enclave/supervision.hpp"

#include <sys/socket.h>

namespace casemate::enclave {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kMiB = 1ULL << 20U;
// How long readers of the console and of answers may take at the end.
constexpr milliseconds kLeaveTime{2000};

std::string list_text(const std::vector<std::uint32_t>& numbers) {
    std::string text;
    for (const std::uint32_t number : numbers) {
        text += (text.empty() ? "" : ", ") + std::to_string(number);
    }
    return "[" + text + "]";
}

}  // namespace

Supervision::~Supervision() {
    machine_.reset();
    loop_->remove(channel_.get());
}

// --- its machine ---

Result<> Supervision::start() {
    auto prepared = prepare();
    if (!prepared) {
        fail_start(prepared.error());
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
    CASEMATE_CHECK(open_broker());
    CASEMATE_CHECK(open_control());
    tell_acceleration();
    report(Progress{"Start allocating memory..."});
    return start_machine();
}

MachinePlan Supervision::plan() {
    MachinePlan plan;
    plan.image = std::move(image_);
    plan.image_bytes = image_bytes_;
    plan.memory_bytes = configuration_.memory_mib * kMiB;
    plan.memory = std::move(huge_memory_);
    plan.vcpus = static_cast<std::uint32_t>(record_.cpu_ids.size());
    plan.cid = record_.cid;
    plan.debug = record_.debug;
    plan.acceleration = acceleration_;
    plan.boot_time = configuration_.boot_timeout_ms != 0
                         ? milliseconds(configuration_.boot_timeout_ms)
                         : boot_timeout(image_bytes_, plan.memory_bytes);
    return plan;
}

MachineRun::Surroundings Supervision::surroundings() {
    MachineRun::Surroundings around;
    around.paths = &configuration_.paths;
    around.log = &log_;
    around.certification = &*certification_;
    around.console = [this](ByteView bytes) { console_.append(bytes); };
    around.progress = [this](const std::string& line) { report(Progress{line}); };
    around.children = [this](std::vector<ChildProcess> children) {
        record_.children = std::move(children);
        return registration_->publish(record_);
    };
    around.measured = [this](std::map<std::uint16_t, std::string> measurements) -> Result<> {
        record_.measurements = std::move(measurements);
        record_.attested = certification_->attested(record_.measurements);
        publish();
        return {};
    };
    around.started = [this] { on_started(); };
    around.heartbeat = [this] { on_heartbeat(); };
    around.connect = [this](std::uint64_t id, std::uint32_t port) { broker_->connect(id, port); };
    around.ending = [this] { record_.state = EnclaveState::terminating; };
    around.ended = [this](const End& end, EnclaveErrc code) { on_ended(end, code); };
    return around;
}

Result<> Supervision::start_machine() {
    machine_ = std::make_unique<MachineRun>(*loop_, plan(), surroundings());
    return machine_->start();
}

void Supervision::on_started() {
    report(Progress{"Started enclave with enclave-cid: " + std::to_string(record_.cid) +
                    ", memory: " + std::to_string(record_.memory_mib) +
                    " MiB, cpu-ids: " + list_text(record_.cpu_ids)});
    broker_->guest_can_be_reached();
}

void Supervision::on_heartbeat() {
    if (running_) {
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

// --- its end ---

void Supervision::request_end(const std::string& by) {
    if (machine_->ending()) {
        return;
    }
    if (end_requested_) {
        machine_->stop_machine();
        return;
    }
    end_requested_ = true;
    record_.state = EnclaveState::terminating;
    say("the end is asked for by " + by);
    publish();
    machine_->shut_down(by, configuration_.shutdown_ms);
}

void Supervision::on_ended(const End& end, EnclaveErrc code) {
    finish(end, code);
}

void Supervision::fail_start(const Error& error) {
    say("not started: " + error.message());
    machine_.reset();
    broker_.reset();
    control_.reset();
    std::string id;
    if (registration_) {
        id = record_.id;
        record_.state = EnclaveState::ended;
        record_.ended_ms = now_ms();
        record_.end = End{EndKind::start_failed, error.detail(), {}, {}};
        publish();
        registration_->remove();
    }
    report(FailedReport{nitro_code(error, EnclaveErrc::file_operation), error.detail(), id});
}

void Supervision::finish(const End& end, EnclaveErrc code) {
    broker_.reset();
    say("ended: " + end.reason);
    record_.end = end;
    record_.state = EnclaveState::ended;
    record_.ended_ms = now_ms();
    record_.children.clear();
    publish();
    registration_->remove();
    if (!running_) {
        report(FailedReport{static_cast<int>(code), end.reason, record_.id});
    }
    control_->finish(to_json(record_));
    console_.finish();
    timers_.after(kLeaveTime, [this] { loop_->stop(); });
    leave_when_read();
}

void Supervision::leave_when_read() {
    if (!console_.has_readers() && !control_->busy()) {
        loop_->stop();
        return;
    }
    timers_.after(milliseconds(20), [this] { leave_when_read(); });
}

// --- telling ---

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
