// A guest under QEMU with KVM and the kernel's own vhost-vsock. AF_VSOCK is opened in the software
// host's kernel, never on the machine that runs the benchmark.
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "inside/guest.hpp"

namespace casemate::bench {

namespace {

constexpr std::uint32_t kHeartbeatPort = 9000;
constexpr std::uint32_t kGuestCid = 17;
constexpr int kBootMilliseconds = 120'000;
constexpr std::string_view kInitSpeaks = "casemate-init:";

Result<UniqueFd> vsock(std::uint32_t cid, std::uint32_t port, bool listening) {
    UniqueFd socket(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    const int status = listening ? ::bind(socket.get(), raw, sizeof(address))
                                 : ::connect(socket.get(), raw, sizeof(address));
    if (!socket.valid() || status != 0 || (listening && ::listen(socket.get(), 8) != 0)) {
        return os_error("vsock CID " + std::to_string(cid) + " port " + std::to_string(port));
    }
    return socket;
}

class QemuGuest : public Guest {
public:
    explicit QemuGuest(Process qemu) : qemu_(std::move(qemu)) {}

    Result<UniqueFd> connect(std::uint32_t port) override { return vsock(kGuestCid, port, false); }
    std::uint64_t overhead_kib() const override { return private_kib(qemu_.pid()); }

private:
    Process qemu_;
};

std::vector<std::string> arguments_of(const std::string& machine, const std::string& command_line) {
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
        "1",
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
    if (micro) {
        arguments.insert(arguments.end(),
                         {"-device", "vhost-vsock-device,guest-cid=" + std::to_string(kGuestCid)});
    }
    return arguments;
}

// The guest's init either reaches the parent's port or says that it can't.
Result<> await_init(int listener, int console) {
    std::string said;
    while (true) {
        std::array<pollfd, 2> ready{{{listener, POLLIN, 0}, {console, POLLIN, 0}}};
        if (::poll(ready.data(), ready.size(), kBootMilliseconds) <= 0) {
            return os_error("wait for the guest's init; its console said: " + said, ETIMEDOUT);
        }
        if (ready[0].revents != 0) {
            const UniqueFd stream(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
            std::uint8_t beat = 0;
            CASEMATE_CHECK(read_exactly(stream.get(), MutableBytes(&beat, 1)));
            return write_all(stream.get(), ByteView(&beat, 1));
        }
        Bytes chunk(4096);
        CASEMATE_TRY(const std::size_t got, read_some(console, chunk));
        if (got == 0) {
            return os_error("the emulator ended; its console said: " + said, ECHILD);
        }
        said.append(as_text(ByteView(chunk).first(got)));
        if (said.find(kInitSpeaks) != std::string::npos) {
            return {};
        }
    }
}

}  // namespace

Result<std::unique_ptr<Guest>> boot_qemu(const std::string& machine) {
    CASEMATE_TRY(const Bytes command_line, read_file(kCommandLine, 4096));
    CASEMATE_TRY(FdPair console, make_pipe());
    CASEMATE_TRY(const UniqueFd listener, vsock(VMADDR_CID_ANY, kHeartbeatPort, true));
    SpawnOptions options;
    options.program = "/usr/bin/qemu-system-x86_64";
    options.arguments = arguments_of(machine, std::string(as_text(command_line)));
    options.standard_output = console.second.get();
    CASEMATE_TRY(Process qemu, Process::spawn(options));
    console.second.reset();
    CASEMATE_CHECK(await_init(listener.get(), console.first.get()));
    // QEMU must not stop at a full pipe while the benchmark talks to the guest.
    CASEMATE_CHECK(set_nonblocking(console.first.get(), true));
    static_cast<void>(console.first.release());
    return std::unique_ptr<Guest>(std::make_unique<QemuGuest>(std::move(qemu)));
}

}  // namespace casemate::bench
