#include "tests/baremetal/harness.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/socket.hpp"
#include "machine/kernel_image.hpp"
#include "machine/probe.hpp"

namespace casemate::testing {

namespace {

constexpr std::uint64_t kMaxGuestFile = 16ULL << 20U;

Result<> wait_readable(int fd) {
    pollfd wanted{fd, POLLIN, 0};
    const auto patience = std::chrono::milliseconds(kPatience);
    const int ready = ::poll(&wanted, 1, static_cast<int>(patience.count()));
    if (ready <= 0) {
        return os_error("wait for the VMM", ready == 0 ? ETIMEDOUT : errno);
    }
    return {};
}

}  // namespace

bool kvm_usable(std::string& reason) {
    static const auto kProbe = machine::probe_kvm();
    reason = "no KVM to run guests with: " + kProbe.detail;
    return kProbe.kind == machine::KvmKind::emulated || kProbe.kind == machine::KvmKind::hardware;
}

Result<std::unique_ptr<Enclave>> Enclave::spawn(std::uint64_t memory_bytes) {
    std::unique_ptr<Enclave> enclave(new Enclave());
    enclave->memory_bytes_ = memory_bytes;
    CASEMATE_TRY(enclave->memory_, make_memory_file("guest", memory_bytes));
    CASEMATE_TRY(auto control, make_socket_pair(SOCK_SEQPACKET));
    CASEMATE_TRY(auto nsm, make_socket_pair(SOCK_SEQPACKET));
    CASEMATE_TRY(auto console, make_socket_pair(SOCK_STREAM));
    CASEMATE_TRY(enclave->kvm_, open_file("/dev/kvm", O_RDWR));
    // A console that is full after a few kilobytes: emulated guests are slow to fill more.
    const int small = 4096;
    ::setsockopt(console.second.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    enclave->control_ = std::move(control.first);
    enclave->nsm_ = std::move(nsm.first);
    enclave->nsm_peer_ = std::move(nsm.second);
    enclave->console_ = std::move(console.first);
    enclave->console_peer_ = std::move(console.second);
    SpawnOptions options;
    options.program = CASEMATE_VMM;
    options.passed_fds = {control.second.get()};
    // Under AddressSanitizer: looking for leaks needs /proc, and there is none in the jail.
    options.environment = {"ASAN_OPTIONS=detect_leaks=0"};
    CASEMATE_TRY(enclave->process_, Process::spawn(options));
    return enclave;
}

Result<std::unique_ptr<Enclave>> Enclave::start(const std::string& guest,
                                                const EnclaveOptions& options) {
    CASEMATE_TRY(auto enclave, spawn(options.memory_bytes));
    machine::Start start;
    start.memory_bytes = options.memory_bytes;
    start.vcpu_count = options.vcpu_count;
    start.guest_cid = options.guest_cid;
    start.console = options.console;
    CASEMATE_TRY(start.image, enclave->load(guest));
    start.image.command_line = options.command_line;
    CASEMATE_CHECK(enclave->send(start, enclave->start_descriptors()));
    // The VMM has its own now: an end of file on ours means that it has closed its.
    enclave->nsm_peer_.reset();
    enclave->console_peer_.reset();
    return enclave;
}

Result<machine::BootImage> Enclave::load(const std::string& guest) const {
    CASEMATE_TRY(const auto file,
                 read_file(std::string(CASEMATE_GUEST_DIR) + "/" + guest, kMaxGuestFile));
    const auto head = ByteView(file).first(std::min(file.size(), machine::kKernelHeadSize));
    CASEMATE_TRY(const auto kernel, machine::parse_kernel(head, file.size()));
    machine::BootImage image;
    image.entry = kernel.entry;
    image.setup_header = kernel.setup_header;
    std::uint64_t end = 0;
    for (const auto& segment : kernel.segments) {
        CASEMATE_CHECK(
            write_all_at(memory_.get(), segment.address,
                         ByteView(file).subspan(segment.file_offset, segment.file_size)));
        const std::uint64_t first = std::max(end, segment.address & ~(machine::kPageSize - 1));
        end = (segment.address + segment.memory_size + machine::kPageSize - 1) &
              ~(machine::kPageSize - 1);
        if (end > first) {
            image.loaded.push_back({first, end - first});
        }
    }
    return image;
}

std::vector<int> Enclave::start_descriptors() const {
    return {memory_.get(), nsm_peer_.get(), console_peer_.get(), kvm_.get()};
}

Result<> Enclave::send(const machine::SupervisorMessage& message,
                       const std::vector<int>& descriptors) const {
    return send_packet(control_.get(), machine::encode(message), descriptors);
}

Result<machine::VmmMessage> Enclave::next() const {
    CASEMATE_CHECK(wait_readable(control_.get()));
    CASEMATE_TRY(const auto packet, receive_packet(control_.get(), machine::kMaxControlPacket));
    if (packet.end_of_stream) {
        return os_error("the VMM has closed its control socket", ECONNRESET);
    }
    return machine::decode_vmm_message(packet.bytes);
}

std::string Enclave::console_text() {
    std::string text;
    Bytes chunk(65536);
    while (wait_readable(console_.get())) {
        const auto size = read_some(console_.get(), chunk);
        if (!size || *size == 0) {
            break;
        }
        text += as_text(ByteView(chunk).first(*size));
    }
    return text;
}

}  // namespace casemate::testing
