#include "enclave/supervision.hpp"

#include <sys/socket.h>

#include <utility>

#include "base/os_error.hpp"

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

// A pause as the log tells it: seconds, or milliseconds where that is no whole number.
std::string pause_text(milliseconds pause) {
    return pause.count() % 1000 == 0 ? std::to_string(pause.count() / 1000) + " s"
                                     : std::to_string(pause.count()) + " ms";
}

}  // namespace

Supervision::~Supervision() {
    health_.reset();
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

Result<MachinePlan> Supervision::plan() {
    MachinePlan plan;
    if (configuration_.restart == RestartPolicy{}) {
        plan.image = std::move(image_);
    } else {
        // The next machine gets the same file, whatever lies at its path by then.
        CASEMATE_TRY(plan.image, duplicate(image_.get()));
    }
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
    around.measured = [this](std::map<std::uint16_t, std::string> measurements) {
        return on_measured(std::move(measurements));
    };
    around.started = [this] { on_started(); };
    around.heartbeat = [this] { on_heartbeat(); };
    around.init_beats = [this] {
        if (health_ != nullptr) {
            health_->init_beats();
        }
    };
    around.init_alive = [this] {
        if (health_ != nullptr) {
            health_->alive();
        }
    };
    around.connect = [this](std::uint64_t id, std::uint32_t port) { broker_->connect(id, port); };
    around.ending = [this] { record_.state = EnclaveState::terminating; };
    around.ended = [this](const End& end, EnclaveErrc code) { on_ended(end, code); };
    return around;
}

Result<> Supervision::start_machine() {
    CASEMATE_TRY(MachinePlan planned, plan());
    machine_ = std::make_unique<MachineRun>(*loop_, std::move(planned), surroundings());
    return machine_->start();
}

void Supervision::on_started() {
    report(Progress{"Started enclave with enclave-cid: " + std::to_string(record_.cid) +
                    ", memory: " + std::to_string(record_.memory_mib) +
                    " MiB, cpu-ids: " + list_text(record_.cpu_ids)});
    broker_->guest_can_be_reached();
}

Result<> Supervision::on_measured(std::map<std::uint16_t, std::string> measurements) {
    if (record_.measurements.empty()) {
        record_.measurements = std::move(measurements);
        record_.attested = certification_->attested(record_.measurements);
        publish();
    } else if (record_.measurements != measurements) {
        image_changed_ = true;
        return Error(EnclaveErrc::image_not_valid,
                     "expected the image that was measured at the first start, found another in "
                     "the same file; it is not started again");
    }
    return {};
}

void Supervision::on_heartbeat() {
    if (record_.state == EnclaveState::empty) {
        record_.state = EnclaveState::running;
    }
    record_.started_ms = now_ms();
    watch_health();
    if (running_) {
        say("heartbeat: the enclave runs again, restart " + std::to_string(record_.restarts));
        publish();
    } else {
        running_ = true;
        say("heartbeat: the enclave runs, " +
            std::to_string(record_.started_ms - record_.created_ms) + " ms after run-enclave");
        publish();
        tell_run_enclave();
    }
}

void Supervision::tell_run_enclave() {
    report(StartedReport{record_});
    loop_->remove(channel_.get());
    channel_.reset();
}

void Supervision::watch_health() {
    health_ = std::make_unique<HealthWatch>(
        *loop_, configuration_.health,
        HealthWatch::Hooks{[this](std::uint32_t port, UniqueFd socket) {
                               return machine_->open_stream(port, std::move(socket));
                           },
                           [this] { machine_->hear(); }, [this] { on_health(); }});
    record_.health = health_->health();
    watch_well();
}

void Supervision::on_health() {
    if (machine_->ending() || end_requested_) {
        return;
    }
    record_.health = health_->health();
    record_.health_reason = health_->reason();
    const bool unhealthy = record_.health == HealthState::unhealthy;
    say("health: " + std::string(name_of(record_.health)) +
        (unhealthy ? ": " + record_.health_reason : ""));
    publish();
    watch_well();
    if (unhealthy && configuration_.restart != RestartPolicy{}) {
        // An init that is silent would not hear it either.
        machine_->give_up(record_.health_reason,
                          health_->init_listens() ? configuration_.shutdown_ms : 0);
    }
}

void Supervision::watch_well() {
    if (record_.health != HealthState::healthy && record_.health != HealthState::unknown) {
        timers_.cancel(well_timer_);
    } else if (well_timer_ == 0 && restarts_.count() != 0) {
        well_timer_ = timers_.after(configuration_.restart_times.well, [this] {
            well_timer_ = 0;
            restarts_.did_well();
            say("it has done well: restarts are counted anew");
        });
    }
}

// --- its end ---

void Supervision::request_end(const std::string& by, std::optional<std::uint64_t> seconds) {
    const bool again = std::exchange(end_requested_, true);
    if (restart_timer_ != 0) {
        timers_.cancel(restart_timer_);
        End end = record_.last_end.value_or(End{});
        end.kind = EndKind::terminated;
        end.reason = "terminated by " + by +
                     " while it waited to be started again; before that: " + end.reason;
        finish(end, EnclaveErrc::boot_failed);
        return;
    }
    if (machine_ == nullptr || machine_->ending()) {
        return;
    }
    if (again) {
        machine_->stop_machine();
        return;
    }
    record_.state = EnclaveState::terminating;
    say("the end is asked for by " + by);
    publish();
    constexpr std::uint64_t kMsPerSecond = 1000;
    machine_->shut_down(by, seconds ? *seconds * kMsPerSecond : configuration_.shutdown_ms);
}

void Supervision::on_ended(End end, EnclaveErrc code) {
    health_.reset();
    timers_.cancel(well_timer_);
    if (running_ && !end_requested_ && !image_changed_ && restarts_.wanted(end)) {
        if (const auto pause = restarts_.next()) {
            wait_for_restart(end, *pause);
            return;
        }
        end.reason += "; not started again: " + record_.restart + " allows no more restarts";
    }
    finish(end, code);
}

void Supervision::wait_for_restart(const End& end, milliseconds pause) {
    // Parent programs wait for the next machine, as they do before the first.
    broker_->guest_is_gone();
    record_.last_end = end;
    record_.state = EnclaveState::empty;
    record_.health = HealthState::starting;
    record_.health_reason.clear();
    record_.children.clear();
    say("ended: " + end.reason);
    say("it is started again in " + pause_text(pause) + " (restart " +
        std::to_string(restarts_.count()) +
        (configuration_.restart.most ? " of " + std::to_string(*configuration_.restart.most)
                                     : std::string()) +
        ")");
    publish();
    restart_timer_ = timers_.after(pause, [this] { start_again(); });
}

void Supervision::start_again() {
    restart_timer_ = 0;
    machine_.reset();
    ++record_.restarts;
    log_.forget_words();
    if (record_.debug) {
        const std::string mark =
            "\n--- casemate: restart " + std::to_string(record_.restarts) + " ---\n";
        console_.append(as_bytes(mark));
    }
    auto started = check_free_memory();
    if (started) {
        started = start_machine();
    }
    if (!started) {
        machine_.reset();
        on_ended(End{EndKind::start_failed, started.error().detail(), {}, {}},
                 EnclaveErrc::boot_failed);
    }
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
