#include "enclave/doctor.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "authority/authority.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "enclave/configuration.hpp"
#include "machine/probe.hpp"
#include "softhost/launcher.hpp"

namespace casemate::enclave {

namespace {

namespace fs = std::filesystem;
using machine::KvmKind;

struct ProcessorFinding {
    Finding finding;
    bool usable = false;
};

// What root types so that this user may open the device. Debian's udev gives it to the group kvm;
// in a container it is often root's alone.
std::string kvm_permission(const std::string& device) {
    struct stat status {};
    if (::stat(device.c_str(), &status) == 0 && (status.st_mode & S_IRGRP) != 0 &&
        (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0) {
        const group* owner = ::getgrgid(status.st_gid);
        if (owner != nullptr) {
            return "as root: usermod -aG " + std::string(owner->gr_name) +
                   " USER; then log in again";
        }
    }
    return "as root: chgrp kvm " + device + " && chmod 660 " + device +
           " && usermod -aG kvm USER; then log in again";
}

ProcessorFinding examine_kvm(const Paths& paths) {
    const machine::KvmProbe probe = machine::probe_kvm(paths.kvm_device);
    Finding finding{"KVM", Health::limited, probe.detail, "", ""};
    const std::string software =
        "enclaves run in the software host: the same measurements, "
        "slower, and no isolation by hardware";
    switch (probe.kind) {
        case KvmKind::hardware:
            finding.health = Health::good;
            finding.consequence = "enclaves run on the processor";
            return {finding, true};
        case KvmKind::emulated:
            finding.consequence =
                "guest kernels are interpreted here, too slow for Linux; " + software;
            finding.action = "use a machine with nested virtualization or a bare one for speed";
            break;
        case KvmKind::absent:
            finding.consequence = software;
            finding.action = "on a machine with virtualization: modprobe kvm_intel (or kvm_amd)";
            break;
        case KvmKind::no_permission:
            finding.consequence = software;
            finding.action = kvm_permission(paths.kvm_device);
            break;
        case KvmKind::unusable:
            finding.consequence = software;
            finding.action = "look at dmesg for what KVM says";
            break;
    }
    return {finding, false};
}

ProcessorFinding examine_software_host(const Paths& paths) {
    const auto parts = softhost::find_parts(paths.programs, paths.kernel);
    if (!parts) {
        return {{"Software host", Health::limited, parts.error().detail(),
                 "enclaves run on usable KVM only", ""},
                false};
    }
    return {{"Software host", Health::good, parts->qemu + ", kernel in " + parts->kernel,
             "enclaves can run without usable KVM", ""},
            true};
}

Finding examine_programs(const Paths& paths) {
    std::string missing;
    for (const char* name : {"casemate-enclave", "casemate-vmm", "casemate-nsm"}) {
        if (::access(paths.program(name).c_str(), X_OK) != 0) {
            missing += (missing.empty() ? "" : ", ") + std::string(name);
        }
    }
    if (missing.empty()) {
        return {"Programs", Health::good, "all in " + paths.programs, "", ""};
    }
    return {"Programs", Health::bad, "missing in " + paths.programs + ": " + missing,
            "enclaves can't run", "build or install all of Casemate"};
}

Finding examine_kernel(const Paths& paths) {
    if (::access((paths.kernel + "/vmlinux").c_str(), R_OK) == 0) {
        return {"Guest kernel", Health::good, paths.kernel, "", ""};
    }
    return {"Guest kernel", Health::limited, "no vmlinux in " + paths.kernel,
            "build-enclave needs --kernel, or NITRO_CLI_BLOBS",
            "kernel/build, or set CASEMATE_KERNEL_DIR"};
}

Finding examine_memory() {
    const auto memory = available_memory_mib();
    const auto cpus = online_cpus();
    if (!memory || !cpus) {
        return {"CPUs and memory", Health::bad, "not known", "", "is /proc mounted?"};
    }
    const std::string found =
        std::to_string(cpus->size()) + " CPUs, " + std::to_string(*memory) + " MiB available";
    constexpr std::uint64_t kLittle = 512;
    if (*memory < kLittle) {
        return {"CPUs and memory", Health::limited, found, "only small enclaves will start",
                "end what takes memory"};
    }
    return {"CPUs and memory", Health::good, found, "enclaves share them with this machine", ""};
}

Finding examine_hugepages() {
    const auto content = read_file("/proc/sys/vm/nr_hugepages", 64);
    const std::string count = content ? std::string(as_text(*content)) : "0";
    const bool some = std::strtoul(count.c_str(), nullptr, 10) > 0;
    return {"Huge pages", Health::good,
            some ? count.substr(0, count.find('\n')) + " reserved" : "none reserved",
            some ? "guest memory is made of them where enough are free (--accel kvm)"
                 : "guest memory is made of ordinary pages",
            ""};
}

Finding examine_vsock() {
    const bool there = ::access("/dev/vhost-vsock", F_OK) == 0;
    return {"vhost-vsock", Health::good, there ? "/dev/vhost-vsock is there" : "absent",
            "not needed: parent programs reach enclaves through unix sockets", ""};
}

// Whether the directory, or the nearest one above it that exists, can be written to.
bool can_write(const std::string& path) {
    fs::path place(path);
    std::error_code error;
    while (!fs::exists(place, error) && place.has_relative_path()) {
        place = place.parent_path();
    }
    return ::access(place.c_str(), W_OK | X_OK) == 0;
}

Finding examine_directory(const std::string& name, const std::string& path,
                          const std::string& variable) {
    if (!can_write(path)) {
        return {name, Health::bad, path + " can't be written to", "enclaves can't run",
                "set " + variable + " to a directory of your own"};
    }
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0) {
        return {name, Health::limited, path + " can be written to by everybody",
                "other users can disturb your enclaves", "chmod o-w " + path};
    }
    return {name, Health::good, path, "", ""};
}

Finding examine_authority(const Paths& paths) {
    const std::string name = "Authority";
    const authority::Authority authority(paths.authority(), {});
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto levels = authority.status(now);
    if (!levels && levels.error().is(authority::AuthorityErrc::missing)) {
        return {name, Health::good, "none in " + paths.authority() + " yet",
                "the first enclave makes it", ""};
    }
    if (!levels) {
        return {name, Health::bad, levels.error().detail(),
                "enclaves can't be certified, so they can't run", ""};
    }
    const std::string& warning = levels->front().warning;
    if (!warning.empty()) {
        return {name, Health::limited, warning, "", ""};
    }
    return {name, Health::good, "root certificate in " + authority.root_path(), "", ""};
}

}  // namespace

std::string_view name_of(Health health) {
    switch (health) {
        case Health::good:
            return "good";
        case Health::limited:
            return "limited";
        case Health::bad:
            return "bad";
    }
    return "";
}

Diagnosis examine(const Paths& paths) {
    Diagnosis diagnosis;
    const ProcessorFinding kvm = examine_kvm(paths);
    const ProcessorFinding software = examine_software_host(paths);
    diagnosis.findings = {
        kvm.finding,
        software.finding,
        examine_programs(paths),
        examine_kernel(paths),
        examine_memory(),
        examine_hugepages(),
        examine_vsock(),
        examine_directory("State directory", paths.state, "CASEMATE_STATE_DIR"),
        examine_authority(paths),
        examine_directory("Runtime directory", paths.runtime, "CASEMATE_RUNTIME_DIR")};
    diagnosis.acceleration = kvm.usable ? "kvm" : software.usable ? "software" : "none";
    for (const Finding& finding : diagnosis.findings) {
        if (finding.health == Health::bad) {
            diagnosis.acceleration = "none";
        }
    }
    return diagnosis;
}

}  // namespace casemate::enclave
