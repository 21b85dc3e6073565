#include "softhost/inside.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <sstream>

#include "base/event_loop.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "machine/control.hpp"
#include "softhost/error.hpp"
#include "softhost/guest_image.hpp"
#include "softhost/kvm_check.hpp"
#include "softhost/relay.hpp"

namespace casemate::softhost {

namespace {

using namespace std::chrono_literals;

// How long a failure's sentence may take to leave before the machine is reset regardless.
constexpr auto kFarewell = 3s;

std::uint64_t uptime_microseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
           static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

Result<> mount_at(const char* type, const char* path) {
    ::mkdir(path, 0755);
    if (::mount(type, path, type, MS_NOSUID | MS_NOEXEC, nullptr) != 0) {
        return os_error(std::string("mount ") + path);
    }
    return {};
}

Result<> mount_all() {
    CASEMATE_CHECK(mount_at("devtmpfs", "/dev"));
    CASEMATE_CHECK(mount_at("proc", "/proc"));
    CASEMATE_CHECK(mount_at("sysfs", "/sys"));
    // Guest memory in large pages costs the emulated page tables less; without them it works too.
    if (auto setting = open_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", O_WRONLY)) {
        static_cast<void>(write_all(setting->get(), as_bytes("always")));
    }
    return {};
}

Result<> load_module(const std::string& line) {
    const std::size_t space = line.find(' ');
    const std::string file = std::string(kModuleDirectory) + "/" + line.substr(0, space);
    const std::string parameters = space == std::string::npos ? "" : line.substr(space + 1);
    CASEMATE_TRY(const UniqueFd module, open_file(file, O_RDONLY));
    if (::syscall(SYS_finit_module, module.get(), parameters.c_str(), 0) != 0) {
        return os_error("load " + file);
    }
    return {};
}

// Goes on after a failure, whose error it gives: the port that tells of it may need the others.
Result<> load_modules() {
    constexpr std::uint64_t kMaxList = 65536;
    CASEMATE_TRY(const Bytes list, read_file(kModuleList, kMaxList));
    std::istringstream lines{std::string(as_text(list))};
    Result<> first_failure;
    for (std::string line; std::getline(lines, line);) {
        auto loaded = load_module(line);
        if (!loaded && first_failure) {
            first_failure = std::move(loaded);
        }
    }
    return first_failure;
}

Result<UniqueFd> open_kvm(const Result<>& modules) {
    CASEMATE_CHECK(modules);
    return open_file("/dev/kvm", O_RDWR);
}

// The one port of the one virtio-serial device; its number depends on the order of the devices.
Result<UniqueFd> open_port() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/dev", ignored)) {
        if (entry.path().filename().string().starts_with("vport")) {
            return open_file(entry.path(), O_RDWR);
        }
    }
    return Error(SofthostErrc::missing, "expected a virtio-serial port in /dev; there is none");
}

// Inside is the conversation once the port is open.
class Inside {
public:
    // kvm, or why there is none: then hello tells so.
    Inside(EventLoop& loop, Result<UniqueFd> kvm) : loop_(loop), kvm_(std::move(kvm)) {}

    // run says hello and returns when nothing is left to do but reset the machine.
    Result<> run(UniqueFd port);

private:
    void on_packet(const Bytes& packet, std::vector<UniqueFd> fds);
    Result<> start_vmm(const Bytes& packet, std::vector<UniqueFd> fds);
    void on_vmm_end();
    void fail(const Error& error);

    EventLoop& loop_;
    Result<UniqueFd> kvm_;
    std::unique_ptr<Relay> relay_;
    Process vmm_;
    // The VMM's end of the control socket. Kept, so that the conversation ends after the process.
    UniqueFd vmm_control_;
};

Result<> Inside::run(UniqueFd port) {
    Relay::Handlers handlers;
    handlers.packet = [this](const Bytes& packet, std::vector<UniqueFd> fds) {
        on_packet(packet, std::move(fds));
    };
    handlers.ended = [this](const Result<>&) { loop_.stop(); };
    CASEMATE_TRY(relay_,
                 Relay::create(loop_, Relay::Side::inside, std::move(port), std::move(handlers)));
    Hello hello;
    const Result<> checked = kvm_ ? check_kvm(kvm_->get()) : Result<>(kvm_.error());
    hello.kvm_works = checked.ok();
    hello.sentence = checked ? "KVM runs code" : checked.error().message();
    hello.uptime = uptime_microseconds();
    relay_->send_hello(hello);
    return loop_.run();
}

void Inside::on_packet(const Bytes& packet, std::vector<UniqueFd> fds) {
    auto started = start_vmm(packet, std::move(fds));
    if (!started) {
        fail(started.error());
    }
}

Result<> Inside::start_vmm(const Bytes& packet, std::vector<UniqueFd> fds) {
    CASEMATE_CHECK(kvm_ ? Result<>() : Result<>(kvm_.error()));
    CASEMATE_TRY(machine::SupervisorMessage message, machine::decode_supervisor_message(packet));
    machine::Start* start = std::get_if<machine::Start>(&message);
    if (start == nullptr || fds.size() != 3 || !fds[1].valid() || !fds[2].valid()) {
        return Error(SofthostErrc::protocol,
                     "expected Start with guest memory, NSM socket and console first");
    }
    CASEMATE_TRY(const UniqueFd memory,
                 read_guest_image(kImageDisk, start->memory_bytes, start->image.loaded));
    // The processors named are the real machine's.
    start->pinned_cpus.clear();
    CASEMATE_TRY(FdPair control, make_socket_pair(SOCK_SEQPACKET));
    SpawnOptions options;
    options.program = kVmmPath;
    options.passed_fds = {control.second.get()};
    CASEMATE_TRY(vmm_, Process::spawn(options));
    CASEMATE_CHECK(loop_.add(vmm_.pidfd(), EPOLLIN, [this](std::uint32_t) { on_vmm_end(); }));
    const std::array<int, 4> given{memory.get(), fds[1].get(), fds[2].get(), kvm_->get()};
    CASEMATE_CHECK(send_packet(control.first.get(), machine::encode(message), given));
    vmm_control_ = std::move(control.second);
    return relay_->attach_control(std::move(control.first));
}

void Inside::on_vmm_end() {
    loop_.remove(vmm_.pidfd());
    const auto status = vmm_.wait();
    if (!status || status->exit_code != 0) {
        const machine::Exited exited{
            machine::ExitReason::failed,
            "casemate-vmm ended with " + (status ? status->text() : status.error().message())};
        static_cast<void>(send_packet(vmm_control_.get(), machine::encode(exited)));
    }
    vmm_control_.reset();
}

void Inside::fail(const Error& error) {
    relay_->send_failure(error.message());
    loop_.after(kFarewell, [this] { loop_.stop(); });
}

Result<> prepare_and_run() {
    CASEMATE_CHECK(mount_all());
    const Result<> modules = load_modules();
    auto port = open_port();
    if (!port) {
        return modules ? port.error() : modules.error();
    }
    CASEMATE_TRY(EventLoop loop, EventLoop::create());
    Inside inside(loop, open_kvm(modules));
    return inside.run(std::move(*port));
}

}  // namespace

void run_inside() {
    std::signal(SIGPIPE, SIG_IGN);
    const auto result = prepare_and_run();
    if (!result) {
        std::fprintf(stderr, "casemate-softhost-init: %s\n", result.error().message().c_str());
    }
    ::sync();
    ::reboot(RB_AUTOBOOT);
    // The kernel panics, and resets, when its first process ends.
    ::_exit(1);
}

}  // namespace casemate::softhost
