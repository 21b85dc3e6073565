// A guest under QEMU with KVM and the kernel's own vhost-vsock. AF_VSOCK is opened in the software
// host's kernel, never on the machine that runs the benchmark.
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "inside/guest.hpp"

namespace casemate::bench {

namespace {

constexpr std::uint32_t kGuestCid = 17;
constexpr int kBootMilliseconds = 120'000;
constexpr std::string_view kInitSpeaks = "casemate-init:";

Result<UniqueFd> connect_vsock(std::uint32_t cid, std::uint32_t port) {
    UniqueFd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                     sizeof(address)) != 0) {
        return os_error("vsock CID " + std::to_string(cid) + " port " + std::to_string(port));
    }
    return socket;
}

class QemuGuest : public Guest {
public:
    QemuGuest(Process qemu, UniqueFd console)
        : console_(std::move(console)), qemu_(std::move(qemu)) {}

    Result<UniqueFd> connect(std::uint32_t port) override { return connect_vsock(kGuestCid, port); }
    std::uint64_t overhead_kib() const override { return private_kib(qemu_.pid()); }

private:
    // QEMU must find a reader; quiet guests write little.
    UniqueFd console_;
    Process qemu_;
};

std::vector<std::string> arguments_of(const std::string& machine, std::uint32_t vcpus,
                                      const std::string& command_line) {
    const bool micro = machine == "microvm";
    std::vector<std::string> arguments{
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-machine",
        (micro ? "microvm,acpi=off,rtc=on,memory-backend=ram" : machine + ",memory-backend=ram"),
        "-object",
        "memory-backend-memfd,id=ram,share=on,size=" + std::to_string(kGuestMemory),
        "-m",
        std::to_string(kGuestMemory >> 20U),
        "-smp",
        std::to_string(vcpus),
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
        "-L",
        "/usr/share/qemu",
        "-L",
        "/usr/share/seabios",
        "-kernel",
        kKernel,
        "-initrd",
        kRamdisk,
        "-append",
        command_line};
    return arguments;
}

// The guest's init says that there is no vsock device.
Result<> await_init(int console) {
    std::string said;
    while (said.find(kInitSpeaks) == std::string::npos) {
        pollfd ready{console, POLLIN, 0};
        if (::poll(&ready, 1, kBootMilliseconds) <= 0) {
            return os_error("wait for the guest's init; its console said: " + said, ETIMEDOUT);
        }
        Bytes chunk(4096);
        CASEMATE_TRY(const std::size_t got, read_some(console, chunk));
        if (got == 0) {
            return os_error("the emulator ended; its console said: " + said, ECHILD);
        }
        said.append(as_text(ByteView(chunk).first(got)));
    }
    return {};
}

struct Started {
    Process qemu;
    UniqueFd console;
};

Result<Started> start_qemu(std::vector<std::string> arguments) {
    CASEMATE_TRY(FdPair console, make_pipe());
    SpawnOptions options;
    options.program = "/usr/bin/qemu-system-x86_64";
    options.arguments = std::move(arguments);
    options.standard_output = console.second.get();
    CASEMATE_TRY(Process qemu, Process::spawn(options));
    return Started{std::move(qemu), std::move(console.first)};
}

}  // namespace

Result<std::unique_ptr<Guest>> boot_qemu(const std::string& machine, std::uint32_t vcpus) {
    CASEMATE_TRY(const Bytes command_line, read_file(kCommandLine, 4096));
    CASEMATE_TRY(
        Started started,
        start_qemu(arguments_of(machine, vcpus, std::string(as_text(command_line)) + " quiet")));
    CASEMATE_CHECK(await_init(started.console.get()));
    return std::unique_ptr<Guest>(
        std::make_unique<QemuGuest>(std::move(started.qemu), std::move(started.console)));
}

Result<std::unique_ptr<Guest>> boot_vhost_vsock() {
    // What the kernel does not know goes to the first process as its arguments.
    auto arguments = arguments_of("microvm", 1,
                                  "reboot=k panic=-1 console=ttyS0 quiet "
                                  "rdinit=/rootfs/bin/guest-peer serve");
    // The kernel's vsock has no legacy form.
    arguments.insert(arguments.end(),
                     {"-global", "virtio-mmio.force-legacy=false", "-device",
                      "vhost-vsock-device,guest-cid=" + std::to_string(kGuestCid)});
    CASEMATE_TRY(Started started, start_qemu(std::move(arguments)));
    return std::unique_ptr<Guest>(
        std::make_unique<QemuGuest>(std::move(started.qemu), std::move(started.console)));
}

}  // namespace casemate::bench
