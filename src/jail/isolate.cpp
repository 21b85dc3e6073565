// The layers of the jail other than the system-call filter.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "jail/jail.hpp"

namespace casemate::jail {

namespace {

constexpr unsigned kNobody = 65534;

Error refused(std::string_view what, int error_number = errno) {
    return Error(JailErrc::not_permitted, os_error(what, error_number).message());
}

void note(Report& report, std::string_view what, int error_number = errno) {
    report.notes.push_back(std::string(what) + ": " + std::strerror(error_number));
}

// --- descriptors ---

Result<> close_all_but(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned first = 0;
    for (const int fd : kept) {
        if (fd < 0) {
            return Error(JailErrc::bad_profile, "kept descriptor " + std::to_string(fd));
        }
        const auto keep = static_cast<unsigned>(fd);
        if (keep > first && ::syscall(SYS_close_range, first, keep - 1, 0) != 0) {
            return refused("close descriptors");
        }
        first = keep + 1;
    }
    if (::syscall(SYS_close_range, first, ~0U, 0) != 0) {
        return refused("close descriptors");
    }
    return {};
}

// --- user and capabilities ---

Result<> become_nobody() {
    if (::geteuid() != 0) {
        return {};
    }
    if (::setgroups(0, nullptr) != 0) {
        return refused("drop the supplementary groups");
    }
    if (::setresgid(kNobody, kNobody, kNobody) != 0) {
        return refused("become group nobody");
    }
    if (::setresuid(kNobody, kNobody, kNobody) != 0) {
        return refused("become user nobody");
    }
    return {};
}

// Before the user changes, which takes the right to do it. Without that right no capability can
// come back either: none is inheritable and there are no new privileges.
void empty_bounding_set() {
    for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
        ::prctl(PR_CAPBSET_DROP, capability);
    }
}

Result<> drop_capabilities() {
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> none{};
    if (::syscall(SYS_capset, &header, none.data()) != 0) {
        return refused("drop all capabilities");
    }
    return {};
}

// --- namespaces and the root directory ---

// Namespaces by the superuser's own right, else as the owner of a new user namespace. Tells whether
// the mounts are now this process's own.
Result<bool> unshare_all(Report& report) {
    bool may = ::unshare(CLONE_NEWNS) == 0;
    if (!may) {
        CASEMATE_CHECK(become_nobody());
        may = ::unshare(CLONE_NEWUSER) == 0 && ::unshare(CLONE_NEWNS) == 0;
    }
    if (!may) {
        note(report, "no mount namespace of its own");
    }
    struct Kind {
        int flag;
        const char* missing;
    };
    for (const Kind kind : {Kind{CLONE_NEWNET, "no network namespace of its own"},
                            Kind{CLONE_NEWIPC, "no IPC namespace of its own"},
                            Kind{CLONE_NEWUTS, "no UTS namespace of its own"}}) {
        if (::unshare(kind.flag) != 0) {
            note(report, kind.missing);
        }
    }
    return may;
}

bool mount_empty_directory() {
    constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    // Any directory will do: the mount leaves it for "/" at once.
    for (const char* place : {"/proc", "/dev", "/tmp", "/run", "/sys"}) {
        if (::mount("casemate", place, "tmpfs", kFlags, "size=4k,nr_inodes=1,mode=0555") == 0) {
            return ::chdir(place) == 0;
        }
    }
    return false;
}

// The old root directory is unmounted; where it can't be (it is the initial RAM file system), the
// empty one is moved over it, and a process without capabilities can't look below.
bool enter_empty_root() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        !mount_empty_directory()) {
        return false;
    }
    if (::syscall(SYS_pivot_root, ".", ".") == 0) {
        return ::umount2(".", MNT_DETACH) == 0 && ::chdir("/") == 0;
    }
    return ::mount(".", "/", nullptr, MS_MOVE, nullptr) == 0 && ::chroot(".") == 0 &&
           ::chdir("/") == 0;
}

// --- Landlock (Linux Documentation/userspace-api/landlock.rst; numbers of its ABI 1 to 6) ---

struct LandlockRules {
    std::uint64_t file_system;
    std::uint64_t network;
    std::uint64_t scoped;
};

constexpr int kLandlockCreate = 444;
constexpr int kLandlockRestrict = 446;
constexpr unsigned kLandlockAskVersion = 1;

void deny_every_path(Report& report) {
    const long version = ::syscall(kLandlockCreate, nullptr, 0, kLandlockAskVersion);
    if (version < 1) {
        note(report, "no Landlock");
        return;
    }
    // What is handled and not allowed by a rule is denied; there are no rules.
    LandlockRules rules{};
    const unsigned file_rights = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13;
    rules.file_system = (1ULL << file_rights) - 1;
    std::size_t size = sizeof(rules.file_system);
    if (version >= 4) {
        rules.network = 3;
        size = 2 * sizeof(std::uint64_t);
    }
    if (version >= 6) {
        rules.scoped = 3;
        size = sizeof(rules);
    }
    const UniqueFd set(static_cast<int>(::syscall(kLandlockCreate, &rules, size, 0)));
    if (!set.valid() || ::syscall(kLandlockRestrict, set.get(), 0) != 0) {
        note(report, "no Landlock");
    }
}

// --- limits and dumping ---

Result<> limit(int resource, std::uint64_t most, std::string_view what) {
    const auto kind = static_cast<__rlimit_resource_t>(resource);
    rlimit now{};
    if (::getrlimit(kind, &now) != 0) {
        return refused(what);
    }
    const rlim_t value = std::min<rlim_t>(now.rlim_max, most);
    const rlimit wanted{value, value};
    if (::setrlimit(kind, &wanted) != 0) {
        return refused(what);
    }
    return {};
}

Result<> set_limits(const Profile& profile) {
    CASEMATE_CHECK(limit(RLIMIT_CORE, 0, "limit core files"));
    CASEMATE_CHECK(limit(RLIMIT_NOFILE, profile.max_descriptors, "limit descriptors"));
    CASEMATE_CHECK(limit(RLIMIT_FSIZE, profile.max_file_size, "limit file sizes"));
    if (!profile.makes_threads) {
        CASEMATE_CHECK(limit(RLIMIT_NPROC, 0, "limit processes"));
    }
    ::signal(SIGXFSZ, SIG_IGN);
    return {};
}

Result<> forbid_tracing() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return refused("set no new privileges");
    }
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return refused("forbid core dumps and tracing");
    }
    return {};
}

// The kernel forgets the signal when a process changes its user (prctl(2), PR_SET_PDEATHSIG).
class ParentDeathSignal {
public:
    ParentDeathSignal() : parent_(::getppid()) { ::prctl(PR_GET_PDEATHSIG, &signal_); }
    [[nodiscard]] Result<> restore() const {
        if (signal_ == 0) {
            return {};
        }
        if (::prctl(PR_SET_PDEATHSIG, signal_) != 0) {
            return refused("keep the parent-death signal");
        }
        if (::getppid() != parent_) {
            return Error(JailErrc::not_permitted, "the parent process has ended");
        }
        return {};
    }

private:
    int signal_ = 0;
    pid_t parent_;
};

Result<> check_single_thread() {
    // The one call that a process with threads is refused and that changes nothing otherwise.
    if (::unshare(CLONE_VM) != 0) {
        return Error(JailErrc::bad_profile, "expected a process with one thread, found more");
    }
    return {};
}

}  // namespace

Result<Report> isolate(const Profile& profile) {
    Report report;
    CASEMATE_CHECK(check_single_thread());
    const ParentDeathSignal parent_death;
    CASEMATE_CHECK(close_all_but(profile.kept_descriptors));
    CASEMATE_TRY(const bool own_mounts, unshare_all(report));
    // Only in a mount namespace of its own: anywhere else these are the machine's mounts.
    if (own_mounts && !enter_empty_root()) {
        note(report, "no empty root directory");
    }
    empty_bounding_set();
    CASEMATE_CHECK(become_nobody());
    CASEMATE_CHECK(drop_capabilities());
    CASEMATE_CHECK(set_limits(profile));
    CASEMATE_CHECK(forbid_tracing());
    deny_every_path(report);
    CASEMATE_CHECK(parent_death.restore());
    return report;
}

}  // namespace casemate::jail
