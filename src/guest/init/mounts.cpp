#include "guest/init/mounts.hpp"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "base/fd.hpp"
#include "guest/init/console.hpp"
#include "guest/init/error.hpp"
#include "guest/init/files.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;
constexpr unsigned long kStrict = kPlain | MS_NOEXEC;

enum class Need { must, may };

struct Mount {
    const char* source;
    const char* target;
    const char* type;
    unsigned long flags;
    const char* options;
    Need need;
    const char* reason;
};

// /tmp may hold programs, as in a container; AWS's is noexec.
constexpr Mount kMounts[] = {
    {"proc", "/proc", "proc", kStrict, nullptr, Need::may, "processes and /dev/stdout"},
    {"tmpfs", "/run", "tmpfs", kStrict, "mode=0755", Need::may, "sockets of services"},
    {"tmpfs", "/tmp", "tmpfs", kPlain, "mode=1777", Need::may, "temporary files"},
    {"shm", "/dev/shm", "tmpfs", kStrict, "mode=1777", Need::may, "shared memory"},
    {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666",
     Need::may, "terminals"},
    {"sysfs", "/sys", "sysfs", kStrict, nullptr, Need::may, "what the kernel tells of itself"},
    {"cgroup_root", "/sys/fs/cgroup", "tmpfs", kStrict, "mode=0755", Need::may,
     "the folders of the control groups"},
};

struct Link {
    const char* target;
    const char* path;
};

constexpr Link kLinks[] = {
    {"/proc/self/fd", "/dev/fd"},
    {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"},
};

bool make_folder(const char* path) {
    struct stat status {};
    return mkdir(path, 0755) == 0 || (stat(path, &status) == 0 && S_ISDIR(status.st_mode));
}

Result<> apply(const Mount& entry) {
    if (!make_folder(entry.target) ||
        mount(entry.source, entry.target, entry.type, entry.flags, entry.options) != 0) {
        const int error = errno;
        Error refused = unexpected_errno(
            GuestErrc::system,
            std::string(entry.type) + " on " + entry.target + " (" + entry.reason + ")", error);
        if (entry.need == Need::must && error != EBUSY) {
            return refused;
        }
        if (error != EBUSY) {
            say(refused.detail() + "; going on without it");
        }
    }
    return {};
}

void mount_control_groups() {
    const auto text = read_small_file("/proc/cgroups");
    if (!text || !*text) {
        return;  // the kernel has none, which the mount before has said
    }
    std::string refused;
    for (const std::string& controller : enabled_controllers(**text)) {
        const std::string folder = "/sys/fs/cgroup/" + controller;
        if (!make_folder(folder.c_str()) ||
            mount("cgroup", folder.c_str(), "cgroup", kStrict, controller.c_str()) != 0) {
            rmdir(folder.c_str());
            refused += (refused.empty() ? "" : " ") + controller;
        }
    }
    if (!refused.empty()) {
        say("expected the control groups of version 1 " + refused +
            ", found them refused; going on without them");
    }
}

}  // namespace

Result<> mount_devices() {
    if (mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, nullptr) != 0 && errno != EBUSY) {
        return unexpected_errno(GuestErrc::system, "devtmpfs on /dev", errno);
    }
    return {};
}

Result<> enter_root() {
    // A root file system can't be left by pivot_root when it is the initial ramdisk: the new root
    // is moved over it instead, and for that it has to be a mount point.
    if (mount("/rootfs", "/rootfs", nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        return unexpected_errno(GuestErrc::system, "the image's files in /rootfs", errno);
    }
    if (chdir("/rootfs") != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
        chroot(".") != 0 || chdir("/") != 0) {
        return unexpected_errno(GuestErrc::system, "/rootfs to become the root", errno);
    }
    return {};
}

Result<> mount_file_systems(const char* devices) {
    CASEMATE_CHECK(apply({"dev", "/dev", devices, MS_NOSUID | MS_NOEXEC, nullptr, Need::must,
                          "the console, /dev/nsm and the random generator"}));
    for (const Mount& entry : kMounts) {
        CASEMATE_CHECK(apply(entry));
    }
    for (const Link& link : kLinks) {
        if (symlink(link.target, link.path) != 0 && errno != EEXIST) {
            say(unexpected_errno(GuestErrc::system, link.path, errno).detail());
        }
    }
    mount_control_groups();
    return {};
}

std::vector<std::string> enabled_controllers(std::string_view text) {
    std::vector<std::string> names;
    for (const std::string_view line : split_entries(text, '\n')) {
        const auto fields = split(line, '\t');  // name, hierarchy, number of groups, enabled
        if (fields.size() == 4 && line.front() != '#' && fields[3] == "1" && !fields[0].empty() &&
            fields[0].find('/') == std::string_view::npos) {
            names.emplace_back(fields[0]);
        }
    }
    return names;
}

void raise_loopback() {
    const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd.valid()) {
        return;  // a kernel without INET, where no app expects 127.0.0.1
    }
    ifreq request{};
    constexpr char kName[] = "lo";
    std::copy(std::begin(kName), std::end(kName), std::begin(request.ifr_name));
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd.get(), SIOCSIFFLAGS, &request) != 0) {
        say(unexpected_errno(GuestErrc::system, "the interface lo to come up", errno).detail() +
            "; going on without it");
    }
}

}  // namespace casemate::guest
