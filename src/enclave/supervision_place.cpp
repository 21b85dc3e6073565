// Supervision, first part: what an enclave needs before it has a machine: the request checked, a
// place in the registry, its log, console and sockets.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "eif/reader.hpp"
#include "enclave/supervision.hpp"
#include "softhost/launcher.hpp"

namespace casemate::enclave {

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;

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

Result<> Supervision::check_request() {
    auto image = open_file(configuration_.image_path, O_RDONLY | O_NONBLOCK);
    if (!image) {
        return Error(EnclaveErrc::file_operation,
                     "expected to open the enclave image, found " + image.error().message() +
                         ". File: '" + configuration_.image_path + "', failing operation: 'Open'.");
    }
    image_ = std::move(*image);
    struct stat status {};
    if (::fstat(image_.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return Error(EnclaveErrc::file_operation,
                     "expected the enclave image to be a file, found something else. File: '" +
                         configuration_.image_path + "', failing operation: 'Read'.");
    }
    CASEMATE_TRY(image_bytes_, file_size(image_.get()));
    CASEMATE_TRY(const auto online, online_cpus());
    CASEMATE_TRY(record_.cpu_ids,
                 choose_cpus(configuration_.cpu_ids, configuration_.cpu_count, online));
    const Chosen chosen = choose_acceleration(configuration_.acceleration, configuration_.paths);
    acceleration_ = chosen.acceleration;
    acceleration_reason_ = chosen.reason;
    record_.acceleration = name_of(acceleration_);
    CASEMATE_CHECK(check_free_memory());
    record_.image_metadata = read_metadata(image_.get());
    return {};
}

Result<> Supervision::check_free_memory() {
    take_huge_pages();
    CASEMATE_TRY(std::uint64_t available, available_memory_mib());
    if (huge_memory_.valid()) {
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
    return check_memory(image_bytes_, configuration_.memory_mib, available);
}

void Supervision::take_huge_pages() {
    const std::uint64_t bytes = configuration_.memory_mib * kMiB;
    // The emulated machine reads the file through its disk, where large pages gain nothing.
    if (acceleration_ != Acceleration::kvm || bytes % kHugePageSize != 0) {
        return;
    }
    auto memory = make_huge_memory_file("casemate-guest", bytes);
    if (memory) {
        huge_memory_ = std::move(*memory);
    }
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
    record_.health_port = configuration_.health.port;
    record_.restart = to_text(configuration_.restart);
    record_.shutdown_ms = configuration_.shutdown_ms;
    CASEMATE_TRY(authority::Instance instance, read_identity(configuration_.paths));
    CASEMATE_TRY(Registration registration,
                 Registry(configuration_.paths).register_enclave(record_, instance.instance_id));
    registration_.emplace(std::move(registration));
    certification_.emplace(configuration_.paths, std::move(instance), record_.id, acceleration_,
                           record_.debug);
    return {};
}

Result<> Supervision::open_history() {
    const std::string directory = configuration_.paths.history(record_.id);
    CASEMATE_CHECK(log_.open(directory + "/log"));
    log_.share(
        ProgramLog::from_environment("enc-" + record_.id.substr(record_.id.rfind("-enc") + 4)));
    if (configuration_.debug) {
        CASEMATE_TRY(UniqueFd console,
                     open_file(directory + "/console.log", O_WRONLY | O_CREAT | O_APPEND, 0600));
        console_.write_to_file_too(CappedFile(std::move(console)));
    }
    return {};
}

Result<> Supervision::open_broker() {
    const Paths& paths = configuration_.paths;
    const std::string place = paths.enclave(record_.id);
    StreamBroker::Hooks streams;
    streams.open_stream = [this](std::uint32_t port, UniqueFd socket) {
        return machine_ != nullptr && machine_->open_stream(port, std::move(socket));
    };
    streams.answer = [this](std::uint64_t id, UniqueFd socket) {
        if (machine_ != nullptr) {
            machine_->answer(id, std::move(socket));
        }
    };
    broker_ = std::make_unique<StreamBroker>(
        *loop_, std::vector<std::string>{place + "/parent", paths.parent_ports()},
        std::move(streams));
    return broker_->listen(place + "/vsock");
}

Result<> Supervision::open_control() {
    ControlServer::Hooks commands;
    commands.describe = [this] { return to_json(record_); };
    commands.terminate = [this](std::optional<std::uint64_t> seconds) {
        request_end("terminate-enclave", seconds);
    };
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
    return control_->listen(configuration_.paths.control(record_.id));
}

Result<> Supervision::watch_channel() {
    // run-enclave that goes away before the enclave runs was interrupted. It may have closed its
    // half alone, to hear when nothing is left.
    return loop_->add(channel_.get(), EPOLLIN | EPOLLRDHUP, [this](std::uint32_t) {
        loop_->remove(channel_.get());
        request_end("the end of run-enclave before the enclave had started");
    });
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

}  // namespace casemate::enclave
