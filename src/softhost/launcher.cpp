#include "softhost/launcher.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/environment.hpp"
#include "softhost/error.hpp"
#include "softhost/initramfs.hpp"
#include "softhost/tsc.hpp"

namespace casemate::softhost {

namespace {

// passed_fds of the child, in this order.
constexpr int kPortFd = 3;
constexpr int kImageFd = 4;
constexpr int kInitramfsFd = 5;

// The AMD processor whose SVM and nested paging TCG emulates, without what TCG can't, so that QEMU
// has nothing to warn of.
constexpr const char* kProcessor =
    "EPYC,+svm,+npt,-rdseed,-sha-ni,-fxsr-opt,-misalignsse,-3dnowprefetch,-osvw,-topoext,"
    "-perfctr-core,-clzero,-xsaveerptr,-ibpb,-nrip-save,-xsavec,-xsaves";

Error missing(const std::string& what, const std::string& remedy) {
    return {SofthostErrc::missing, "expected " + what + "; " + remedy};
}

Result<std::string> find_qemu() {
    const std::string named = environment("CASEMATE_QEMU");
    if (!named.empty() && ::access(named.c_str(), X_OK) != 0) {
        return missing("a program at " + named, "CASEMATE_QEMU names it");
    }
    if (!named.empty()) {
        return named;
    }
    std::istringstream directories(environment("PATH") + ":/usr/bin");
    for (std::string directory; std::getline(directories, directory, ':');) {
        const std::string path = directory + "/qemu-system-x86_64";
        if (::access(path.c_str(), X_OK) == 0) {
            return path;
        }
    }
    return missing("qemu-system-x86_64 in PATH", "install the package qemu-system-x86");
}

Result<std::string> find_program(const std::string& directory, const std::string& name) {
    std::string path = directory + "/" + name;
    if (::access(path.c_str(), R_OK) != 0) {
        return missing(name + " in " + directory, "build or install all of Casemate's programs");
    }
    return path;
}

std::vector<std::string> qemu_arguments(const LaunchOptions& options, std::uint64_t khz) {
    const auto inherited = [](int fd) { return "/proc/self/fd/" + std::to_string(fd); };
    return {
        "-accel",
        "tcg,thread=multi",
        "-machine",
        "microvm,rtc=on,acpi=off,usb=off",
        "-cpu",
        kProcessor,
        // One processor, however many the enclave has: with several, QEMU 7.2 now and then runs
        // code that the guest has just patched on another, and the guest's kernel dies of it at
        // boot.
        "-smp",
        "1",
        "-m",
        std::to_string(machine_memory(options.memory_bytes)),
        "-nodefaults",
        "-no-user-config",
        "-nographic",
        "-no-reboot",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-kernel",
        options.parts.kernel + "/vmlinux",
        "-initrd",
        inherited(kInitramfsFd),
        "-append",
        kernel_command_line(khz),
        "-chardev",
        "stdio,id=log,signal=off",
        "-serial",
        "chardev:log",
        "-blockdev",
        "driver=file,node-name=image,read-only=on,locking=off,filename=" + inherited(kImageFd),
        "-device",
        "virtio-blk-device,drive=image,queue-size=1024",
        "-device",
        "virtio-serial-device,max_ports=2",
        "-chardev",
        "socket,id=port,fd=" + std::to_string(kPortFd),
        "-device",
        "virtserialport,chardev=port,name=casemate",
    };
}

}  // namespace

Result<Parts> find_parts(const std::string& program_directory,
                         const std::string& kernel_directory) {
    Parts parts;
    CASEMATE_TRY(parts.qemu, find_qemu());
    if (::access((kernel_directory + "/vmlinux").c_str(), R_OK) != 0) {
        return missing("a kernel at " + kernel_directory,
                       "build it with kernel/build, or set CASEMATE_KERNEL_DIR");
    }
    parts.kernel = kernel_directory;
    CASEMATE_TRY(parts.init, find_program(program_directory, "casemate-softhost-init"));
    CASEMATE_TRY(parts.vmm, find_program(program_directory, "casemate-vmm"));
    return parts;
}

std::uint64_t machine_memory(std::uint64_t memory_bytes) {
    // The kernel, its caches and the programs; then 1/64 of all memory for its page descriptors and
    // as much again for the page tables of both levels.
    constexpr std::uint64_t kFixed = 96;
    const std::uint64_t enclave = (memory_bytes >> 20U) + 1;
    return kFixed + enclave + enclave / 32;
}

std::string kernel_command_line(std::uint64_t tsc_khz) {
    // reboot=t: the machine has no keyboard controller, a triple fault ends QEMU. Mitigations would
    // defend the software host's one process from itself. tsc=reliable spares the checks of a
    // counter whose rate we state. Linux watches the local timer for a quarter of a second to learn
    // its rate; one processor does as well with the other timer, whose rate is known.
    return "console=ttyS0 quiet reboot=t panic=-1 mitigations=off no_timer_check tsc=reliable "
           "nolapic_timer swiotlb=noforce rcupdate.rcu_expedited=1 random.trust_cpu=on "
           "tsc_early_khz=" +
           std::to_string(tsc_khz);
}

Result<Launched> launch(const LaunchOptions& options) {
    CASEMATE_TRY(const std::uint64_t khz, tsc_khz());
    const Parts& parts = options.parts;
    CASEMATE_TRY(const UniqueFd initramfs,
                 make_initramfs(parts.init, parts.vmm, parts.kernel + "/modules"));
    CASEMATE_TRY(FdPair port, make_socket_pair(SOCK_STREAM));
    CASEMATE_TRY(FdPair log, make_pipe());
    CASEMATE_CHECK(set_nonblocking(log.first.get(), true));
    SpawnOptions spawn;
    spawn.program = parts.qemu;
    spawn.arguments = qemu_arguments(options, khz);
    spawn.standard_output = log.second.get();
    spawn.standard_error = log.second.get();
    spawn.passed_fds = {port.second.get(), options.image, initramfs.get()};
    spawn.new_session = true;
    CASEMATE_TRY(Process process, Process::spawn(spawn));
    return Launched{std::move(process), std::move(port.first), std::move(log.first)};
}

}  // namespace casemate::softhost
