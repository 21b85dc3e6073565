// A guest under casemate-vmm: the benchmark plays the supervisor.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "inside/guest.hpp"
#include "machine/control.hpp"
#include "nsm/control.hpp"

#include <fcntl.h>

namespace casemate::bench {

namespace {

constexpr std::uint32_t kHeartbeatPort = 9000;
constexpr std::uint8_t kHeartbeat = 0xb7;
constexpr std::uint32_t kGuestCid = 16;

Result<Process> start(const std::string& program, const UniqueFd& control) {
    SpawnOptions options;
    options.program = program;
    options.passed_fds = {control.get()};
    return Process::spawn(options);
}

}  // namespace

// MeasuredImage: guest memory as the module has loaded it, and the module itself.
struct MeasuredImage {
    UniqueFd memory;
    UniqueFd requests;
    UniqueFd control;
    Process module;
    nsm::Loaded loaded;
};

Result<std::shared_ptr<MeasuredImage>> measure_image() {
    auto image = std::make_shared<MeasuredImage>();
    CASEMATE_TRY(FdPair control, make_socket_pair(SOCK_SEQPACKET));
    CASEMATE_TRY(FdPair requests, make_socket_pair(SOCK_SEQPACKET));
    CASEMATE_TRY(image->memory, make_memory_file("measured", kGuestMemory));
    CASEMATE_TRY(const UniqueFd eif, open_file(kImage, O_RDONLY));
    CASEMATE_TRY(image->module, start("/bin/casemate-nsm", control.second));
    nsm::Load load;
    load.memory_bytes = kGuestMemory;
    load.module_id = "i-0-enc0";
    const std::array<int, 3> fds{eif.get(), image->memory.get(), requests.second.get()};
    CASEMATE_CHECK(send_packet(control.first.get(), nsm::encode(load), fds));
    CASEMATE_TRY(const Packet answer, receive_packet(control.first.get(), nsm::kMaxControlPacket));
    CASEMATE_TRY(nsm::ModuleMessage message, nsm::decode_module_message(answer.bytes));
    if (const auto* refused = std::get_if<nsm::Refused>(&message)) {
        return os_error(refused->reason, EINVAL);
    }
    image->loaded = std::get<nsm::Loaded>(std::move(message));
    image->requests = std::move(requests.first);
    image->control = std::move(control.first);
    return image;
}

namespace {

class CasemateGuest : public Guest {
public:
    CasemateGuest(UniqueFd control, Process vmm, UniqueFd requests, int module_pid)
        : control_(std::move(control)),
          requests_(std::move(requests)),
          vmm_(std::move(vmm)),
          module_pid_(module_pid) {}

    ~CasemateGuest() override {
        vmm_.kill_and_reap();
        if (server_.joinable()) {
            server_.join();
        }
    }

    Result<UniqueFd> connect(std::uint32_t port) override {
        CASEMATE_TRY(FdPair pair, make_socket_pair(SOCK_STREAM));
        const std::array<int, 1> fds{pair.second.get()};
        CASEMATE_CHECK(send_packet(
            control_.get(), encode(machine::SupervisorMessage(machine::OpenStream{port})), fds));
        pair.second.reset();
        std::string answer;
        while (answer.empty() || answer.back() != '\n') {
            std::uint8_t byte = 0;
            CASEMATE_CHECK(read_exactly(pair.first.get(), MutableBytes(&byte, 1)));
            answer.push_back(static_cast<char>(byte));
        }
        return std::move(pair.first);
    }

    std::uint64_t overhead_kib() const override {
        return private_kib(vmm_.pid()) + private_kib(module_pid_);
    }

    // await_heartbeat answers the guest's requests until its heartbeat, then goes on in a thread.
    Result<> await_heartbeat() {
        bool beaten = false;
        while (!beaten) {
            CASEMATE_TRY(beaten, answer_one());
        }
        server_ = std::thread([this] {
            while (answer_one()) {
            }
        });
        return {};
    }

private:
    // answer_one handles one packet of the VMM's; true when it was the heartbeat's connection.
    Result<bool> answer_one() {
        CASEMATE_TRY(const Packet packet,
                     receive_packet(control_.get(), machine::kMaxControlPacket));
        CASEMATE_TRY(const machine::VmmMessage message, machine::decode_vmm_message(packet.bytes));
        if (const auto* exited = std::get_if<machine::Exited>(&message)) {
            return os_error(exited->detail, ECHILD);
        }
        const auto* request = std::get_if<machine::ConnectRequest>(&message);
        if (request == nullptr) {
            return false;
        }
        machine::ConnectReply reply{request->request_id,
                                    request->destination_port == kHeartbeatPort};
        if (!reply.accepted) {
            CASEMATE_CHECK(send_packet(control_.get(), encode(machine::SupervisorMessage(reply))));
            return false;
        }
        CASEMATE_TRY(const FdPair pair, make_socket_pair(SOCK_STREAM));
        const std::array<int, 1> fds{pair.second.get()};
        CASEMATE_CHECK(send_packet(control_.get(), encode(machine::SupervisorMessage(reply)), fds));
        std::uint8_t beat = 0;
        CASEMATE_CHECK(read_exactly(pair.first.get(), MutableBytes(&beat, 1)));
        CASEMATE_CHECK(write_all(pair.first.get(), ByteView(&beat, 1)));
        return beat == kHeartbeat;
    }

    UniqueFd control_;
    UniqueFd requests_;
    Process vmm_;
    int module_pid_;
    std::thread server_;
};

// Copies what the module loaded, as the software host does from its disk.
Result<UniqueFd> fresh_memory(const MeasuredImage& image) {
    CASEMATE_TRY(UniqueFd memory, make_memory_file("guest", kGuestMemory));
    for (const machine::GuestRange& range : image.loaded.image.loaded) {
        auto from = static_cast<off_t>(range.address);
        auto to = static_cast<off_t>(range.address);
        std::uint64_t rest = range.size;
        void* source = ::mmap(nullptr, rest, PROT_READ, MAP_SHARED, image.memory.get(), from);
        if (source == MAP_FAILED) {
            return os_error("map the measured image");
        }
        auto written = write_all_at(memory.get(), static_cast<std::uint64_t>(to),
                                    ByteView(static_cast<const std::uint8_t*>(source), rest));
        ::munmap(source, rest);
        CASEMATE_CHECK(std::move(written));
    }
    return memory;
}

}  // namespace

Result<std::unique_ptr<Guest>> boot_casemate(const MeasuredImage& image, std::uint32_t vcpus) {
    CASEMATE_TRY(const UniqueFd memory, fresh_memory(image));
    CASEMATE_TRY(FdPair control, make_socket_pair(SOCK_SEQPACKET));
    CASEMATE_TRY(const UniqueFd console, open_file("/dev/null", O_WRONLY));
    CASEMATE_TRY(const UniqueFd kvm, open_file("/dev/kvm", O_RDWR));
    CASEMATE_TRY(UniqueFd requests, duplicate(image.requests.get()));
    CASEMATE_TRY(Process vmm, start("/bin/casemate-vmm", control.second));
    control.second.reset();
    machine::Start start;
    start.memory_bytes = kGuestMemory;
    start.vcpu_count = vcpus;
    start.guest_cid = kGuestCid;
    start.console = false;
    start.image = image.loaded.image;
    const std::array<int, 4> fds{memory.get(), requests.get(), console.get(), kvm.get()};
    CASEMATE_CHECK(
        send_packet(control.first.get(), encode(machine::SupervisorMessage(start)), fds));
    auto guest = std::make_unique<CasemateGuest>(std::move(control.first), std::move(vmm),
                                                 std::move(requests), image.module.pid());
    CASEMATE_CHECK(guest->await_heartbeat());
    return std::unique_ptr<Guest>(std::move(guest));
}

std::uint64_t private_kib(int pid) {
    // Mappings of a memory file are the guest's own memory; everything else is the process's.
    std::ifstream maps("/proc/" + std::to_string(pid) + "/smaps");
    std::string line;
    bool guest_memory = false;
    std::uint64_t sum = 0;
    while (std::getline(maps, line)) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (first.find('-') != std::string::npos && first.back() != ':') {
            guest_memory = line.find("memfd:") != std::string::npos;
        } else if (first == "Pss:" && !guest_memory) {
            std::uint64_t kib = 0;
            words >> kib;
            sum += kib;
        }
    }
    return sum;
}

}  // namespace casemate::bench
