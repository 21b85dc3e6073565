#include "jail/jail.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <thread>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "jail/common_calls.hpp"
#include "jail/filter.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

namespace casemate::jail {
namespace {

using ::testing::HasSubstr;

// --- the filter, by running its program as the kernel does ---

std::uint32_t word_at(const seccomp_data& data, std::uint32_t offset) {
    std::uint32_t word = 0;
    std::memcpy(&word, reinterpret_cast<const char*>(&data) + offset, sizeof(word));
    return word;
}

// interpret runs the instructions that compile uses, and fails the test on any other.
std::uint32_t interpret(const std::vector<sock_filter>& program, const seccomp_data& data) {
    std::uint32_t accumulator = 0;
    std::size_t at = 0;
    while (at < program.size()) {
        const sock_filter& step = program[at++];
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                accumulator = word_at(data, step.k);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                accumulator &= step.k;
                break;
            case BPF_JMP | BPF_JA:
                at += step.k;
                break;
            case BPF_JMP | BPF_JEQ | BPF_K:
                at += accumulator == step.k ? step.jt : step.jf;
                break;
            case BPF_JMP | BPF_JGE | BPF_K:
                at += accumulator >= step.k ? step.jt : step.jf;
                break;
            case BPF_RET | BPF_K:
                return step.k;
            default:
                ADD_FAILURE() << "instruction " << step.code;
                return 0;
        }
    }
    ADD_FAILURE() << "the program ran off its end";
    return 0;
}

std::uint32_t decide(const Profile& profile, int number,
                     std::vector<std::uint64_t> arguments = {}) {
    const auto program = compile(profile);
    EXPECT_TRUE(program.ok()) << program.error().message();
    seccomp_data data{};
    data.nr = number;
    data.arch = AUDIT_ARCH_X86_64;
    std::copy(arguments.begin(), arguments.end(), data.args);
    return interpret(*program, data);
}

Profile profile_of(std::vector<AllowedCall> allowed) {
    Profile profile;
    profile.name = "test";
    profile.allowed = std::move(allowed);
    return profile;
}

TEST(Filter, AllowsOnlyWhatIsListed) {
    const Profile profile = profile_of({{SYS_read, "test", {}}, {SYS_exit_group, "test", {}}});
    EXPECT_EQ(decide(profile, SYS_read), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_exit_group), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_write), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(decide(profile, SYS_openat), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, OtherInterfacesOfTheMachineAreViolations) {
    const auto program = compile(profile_of({{SYS_read, "test", {}}}));
    ASSERT_TRUE(program.ok());
    seccomp_data data{};
    data.nr = SYS_read;
    data.arch = AUDIT_ARCH_I386;
    EXPECT_EQ(interpret(*program, data), SECCOMP_RET_KILL_PROCESS);
    data.arch = AUDIT_ARCH_X86_64;
    EXPECT_EQ(interpret(*program, data), SECCOMP_RET_ALLOW);
    data.nr |= 0x4000'0000;
    EXPECT_EQ(interpret(*program, data), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, ComparesMaskedArguments) {
    const Profile profile = profile_of({{SYS_ioctl, "test", {{1, kIntArgument, {7, 9}}}}});
    EXPECT_EQ(decide(profile, SYS_ioctl, {0, 7}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_ioctl, {0, 9}), SECCOMP_RET_ALLOW);
    // The kernel looks at the low half alone.
    EXPECT_EQ(decide(profile, SYS_ioctl, {0, 0x1'0000'0009}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_ioctl, {7, 8}), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(decide(profile, SYS_ioctl, {7, 0x7'0000'0000}), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, ComparesBothHalvesOfWideArguments) {
    const Profile profile = profile_of({{SYS_sendto, "test", {{4, ~0ULL, {0, 0x5'0000'0006}}}}});
    EXPECT_EQ(decide(profile, SYS_sendto, {1, 1, 1, 1, 0, 1}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_sendto, {1, 1, 1, 1, 0x5'0000'0006, 1}), SECCOMP_RET_ALLOW);
    for (const std::uint64_t wrong : {0x5'0000'0000ULL, 0x6ULL, 0x6'0000'0005ULL, 1ULL}) {
        EXPECT_EQ(decide(profile, SYS_sendto, {1, 1, 1, 1, wrong, 1}), SECCOMP_RET_KILL_PROCESS)
            << wrong;
    }
}

TEST(Filter, EveryArgumentRuleMustHoldAndAnyLineIsEnough) {
    const Profile profile =
        profile_of({{SYS_seccomp, "test", {{0, kIntArgument, {1}}, {1, kIntArgument, {2}}}},
                    {SYS_seccomp, "test", {{0, kIntArgument, {5}}}}});
    EXPECT_EQ(decide(profile, SYS_seccomp, {1, 2}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_seccomp, {5, 9}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide(profile, SYS_seccomp, {1, 3}), SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(decide(profile, SYS_seccomp, {2, 2}), SECCOMP_RET_KILL_PROCESS);
}

TEST(Filter, RefusedCallsGetTheirErrorNumber) {
    Profile profile = profile_of({{SYS_read, "test", {}}});
    profile.refused = {{SYS_clone3, ENOSYS, "test"}};
    EXPECT_EQ(decide(profile, SYS_clone3), SECCOMP_RET_ERRNO | ENOSYS);
    profile.violation = Violation::log;
    EXPECT_EQ(decide(profile, SYS_write), SECCOMP_RET_LOG);
    profile.violation = Violation::trap;
    EXPECT_EQ(decide(profile, SYS_write), SECCOMP_RET_TRAP);
}

TEST(Filter, RefusesProfilesThatContradictThemselves) {
    EXPECT_FALSE(compile(profile_of({{SYS_read, "test", {{6, kIntArgument, {1}}}}})).ok());
    EXPECT_FALSE(compile(profile_of({{SYS_read, "test", {{0, kIntArgument, {}}}}})).ok());
    EXPECT_FALSE(
        compile(
            profile_of({{SYS_read, "test", {{0, kIntArgument, std::vector<std::uint64_t>(43)}}}}))
            .ok());
    Profile both = profile_of({{SYS_read, "test", {}}});
    both.refused = {{SYS_read, EPERM, "test"}};
    EXPECT_FALSE(compile(both).ok());
}

// --- the profiles ---

// What the filters of the programs do, in a build for tests too.
std::uint32_t decide_strictly(Profile profile, int number,
                              std::vector<std::uint64_t> arguments = {}) {
    profile.violation = Violation::kill_process;
    return decide(profile, number, std::move(arguments));
}

TEST(Profiles, NothingCanBeOpenedStartedOrMadeExecutable) {
    for (const Profile& profile :
         {vmm_profile(), vmm_running_profile(), nsm_profile(), nsm_serving_profile()}) {
        SCOPED_TRACE(profile.name);
        for (const int forbidden : {SYS_open,           SYS_openat2,     SYS_creat,
                                    SYS_socket,         SYS_connect,     SYS_bind,
                                    SYS_accept4,        SYS_execve,      SYS_execveat,
                                    SYS_fork,           SYS_vfork,       SYS_ptrace,
                                    SYS_prctl,          SYS_kill,        SYS_mount,
                                    SYS_unshare,        SYS_setns,       SYS_bpf,
                                    SYS_io_uring_setup, SYS_userfaultfd, SYS_process_vm_readv,
                                    SYS_memfd_create,   SYS_keyctl,      SYS_setuid,
                                    SYS_unlinkat}) {
            EXPECT_EQ(decide_strictly(profile, forbidden), SECCOMP_RET_KILL_PROCESS) << forbidden;
        }
        EXPECT_EQ(decide_strictly(profile, SYS_openat), SECCOMP_RET_ERRNO | ENOENT);
        EXPECT_EQ(decide_strictly(profile, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE}),
                  SECCOMP_RET_ALLOW);
        EXPECT_EQ(decide_strictly(profile, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}),
                  SECCOMP_RET_KILL_PROCESS);
        EXPECT_EQ(decide_strictly(profile, SYS_mprotect, {0, 4096, PROT_EXEC}),
                  SECCOMP_RET_KILL_PROCESS);
        const auto self = static_cast<std::uint64_t>(::getpid());
        EXPECT_EQ(decide_strictly(profile, SYS_tgkill, {self, 1, SIGABRT}), SECCOMP_RET_ALLOW);
        EXPECT_EQ(decide_strictly(profile, SYS_tgkill, {1, 1, SIGKILL}), SECCOMP_RET_KILL_PROCESS);
        // TIOCSTI: typing into the terminal of whoever started the program.
        EXPECT_EQ(decide_strictly(profile, SYS_ioctl, {0, 0x5412}), SECCOMP_RET_KILL_PROCESS);
        for (const AllowedCall& call : profile.allowed) {
            EXPECT_FALSE(call.reason.empty()) << call.number;
        }
    }
}

TEST(Profiles, WhatRunsLooksAtNoFile) {
    for (const Profile& profile : {vmm_profile(), nsm_profile()}) {
        EXPECT_EQ(decide_strictly(profile, SYS_newfstatat, {5, 0, 0, AT_EMPTY_PATH}),
                  SECCOMP_RET_ALLOW);
        EXPECT_EQ(decide_strictly(profile, SYS_newfstatat, {5, 0, 0, 0}), SECCOMP_RET_KILL_PROCESS);
    }
    for (const Profile& profile : {vmm_running_profile(), nsm_serving_profile()}) {
        EXPECT_EQ(decide_strictly(profile, SYS_newfstatat, {5, 0, 0, AT_EMPTY_PATH}),
                  SECCOMP_RET_KILL_PROCESS);
        EXPECT_EQ(decide_strictly(profile, SYS_pread64, {5}), SECCOMP_RET_KILL_PROCESS);
    }
}

// A running VMM asks KVM for nothing but to run a vCPU and, at its end, how that died.
TEST(Profiles, AServingModuleReadsNothingButPackets) {
    const Profile profile = nsm_serving_profile();
    for (const int forbidden :
         {SYS_read, SYS_readv, SYS_pread64, SYS_recvfrom, SYS_sendto, SYS_fcntl, SYS_ioctl, SYS_dup,
          SYS_lseek, SYS_fstat, SYS_clone, SYS_rt_sigreturn, SYS_seccomp}) {
        EXPECT_EQ(decide_strictly(profile, forbidden), SECCOMP_RET_KILL_PROCESS) << forbidden;
    }
}

TEST(Profiles, ARunningVmmHasThreeKvmCalls) {
    for (std::uint64_t number = 0; number < 256; ++number) {
        for (const std::uint64_t request :
             {std::uint64_t{_IO(KVMIO, number)}, std::uint64_t{_IOW(KVMIO, number, int)},
              std::uint64_t{_IOR(KVMIO, number, int)}, std::uint64_t{_IOWR(KVMIO, number, int)}}) {
            if (request != KVM_RUN) {
                EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, request}),
                          SECCOMP_RET_KILL_PROCESS)
                    << number;
            }
        }
    }
    for (const std::uint64_t changing :
         {KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_USER_MEMORY_REGION, KVM_IRQFD, KVM_IOEVENTFD,
          KVM_GET_MSRS, KVM_SET_MSRS, KVM_SIGNAL_MSI, KVM_IRQ_LINE, KVM_SET_DEVICE_ATTR}) {
        EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, changing}),
                  SECCOMP_RET_KILL_PROCESS)
            << changing;
    }
    EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, KVM_GET_SREGS}),
              SECCOMP_RET_ALLOW);
}

TEST(Profiles, ThreadsOnlyBeforeRunningAndNeverProcesses) {
    constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                      CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                      CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    for (const Profile& profile : {vmm_profile(), nsm_profile()}) {
        EXPECT_EQ(decide_strictly(profile, SYS_clone, {kThread}), SECCOMP_RET_ALLOW);
        EXPECT_EQ(decide_strictly(profile, SYS_clone, {SIGCHLD}), SECCOMP_RET_KILL_PROCESS);
        EXPECT_EQ(decide_strictly(profile, SYS_clone, {kThread | CLONE_NEWUSER}),
                  SECCOMP_RET_KILL_PROCESS);
    }
    for (const Profile& profile : {vmm_running_profile(), nsm_serving_profile()}) {
        EXPECT_EQ(decide_strictly(profile, SYS_clone, {kThread}), SECCOMP_RET_KILL_PROCESS);
        EXPECT_EQ(decide_strictly(profile, SYS_seccomp, {1, 1}), SECCOMP_RET_KILL_PROCESS);
    }
}

TEST(Profiles, AMachineIsMadeOnlyBeforeItRuns) {
    EXPECT_EQ(decide_strictly(vmm_profile(), SYS_ioctl, {5, KVM_CREATE_VM}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, KVM_RUN}), SECCOMP_RET_ALLOW);
    EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, KVM_CREATE_VM}),
              SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(decide_strictly(vmm_running_profile(), SYS_ioctl, {5, KVM_SET_USER_MEMORY_REGION}),
              SECCOMP_RET_KILL_PROCESS);
    EXPECT_EQ(decide_strictly(nsm_profile(), SYS_ioctl, {5, KVM_RUN}), SECCOMP_RET_KILL_PROCESS);
}

// --- the real jail, in a child process ---

// A profile for what the bodies below do besides their forbidden act.
Profile child_profile() {
    Profile profile = nsm_profile();
    profile.kept_descriptors = {0, 1, 2};
    return profile;
}

// run gives the status of a child (waitpid(2)) that runs the body and exits with what it returns.
int run(const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child == 0) {
        // Core files of the calls that kill would only litter.
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::_exit(body());
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

bool exited_with(int status, int code) {
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}
bool killed_by_filter(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

bool wait_for_byte(const UniqueFd& fd) {
    char byte = 0;
    return ::read(fd.get(), &byte, 1) == 1;
}

bool send_byte(const UniqueFd& fd) {
    return ::write(fd.get(), "x", 1) == 1;
}

// in_jail runs the body after entering; 99 is a jail that can't be entered.
int in_jail(const Profile& profile, const std::function<int()>& body) {
    return run([&] {
        const auto entered = enter(profile);
        if (!entered) {
            std::fprintf(stderr, "%s\n", entered.error().message().c_str());
            return 99;
        }
        return body();
    });
}

// in_isolation is in_jail without the system-call filter, to see what the other layers do.
int in_isolation(const Profile& profile, const std::function<int()>& body) {
    return run([&] {
        const auto isolated = isolate(profile);
        if (!isolated) {
            std::fprintf(stderr, "%s\n", isolated.error().message().c_str());
            return 99;
        }
        return body();
    });
}

#define SKIP_WHERE_SANITIZED()                                                 \
    if (kSanitized) {                                                          \
        GTEST_SKIP() << "a sanitizer's runtime makes system calls of its own"; \
    }                                                                          \
    static_cast<void>(0)

TEST(Jail, WhatIsAllowedWorks) {
    SKIP_WHERE_SANITIZED();
    const int status = in_jail(child_profile(), [] {
        int seen = 0;
        std::thread thread([&seen] { seen = 7; });
        thread.join();
        return seen;
    });
    EXPECT_TRUE(exited_with(status, 7)) << status;
}

TEST(Jail, AForbiddenCallKills) {
    SKIP_WHERE_SANITIZED();
    EXPECT_TRUE(killed_by_filter(in_jail(child_profile(), [] {
        return static_cast<int>(::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
    })));
    EXPECT_TRUE(killed_by_filter(in_jail(child_profile(), [] { return ::fork() == 0 ? 0 : 1; })));
    EXPECT_TRUE(killed_by_filter(in_jail(child_profile(), [] {
        return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                   ? 1
                   : 0;
    })));
}

// What code of an attacker in a running VMM would try, for real. Each act gives true when it got
// somewhere. It is killed for it, but for the calls that libraries try, which fail.
struct Attempt {
    const char* name;
    bool (*act)();
    bool library_call = false;
};

constexpr Attempt kAttempts[] = {
    {"open a file", [] { return ::open("/etc/passwd", O_RDONLY) >= 0; }, true},
    {"read /proc", [] { return ::open("/proc/self/mem", O_RDWR) >= 0; }, true},
    {"make a file", [] { return ::open("/tmp/new", O_WRONLY | O_CREAT, 0600) >= 0; }, true},
    {"open by openat2",
     [] {
         std::uint64_t how[3]{};
         return ::syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how)) >= 0;
     }},
    {"look at a path",
     [] {
         struct stat status {};
         return ::stat("/etc/passwd", &status) == 0;
     }},
    {"remove a file", [] { return ::unlink("/tmp/none") == 0; }},
    {"make a socket", [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }},
    {"connect a socket",
     [] {
         sockaddr_storage address{};
         address.ss_family = AF_UNIX;
         return ::connect(2, reinterpret_cast<sockaddr*>(&address), 3) == 0;
     }},
    {"send to an address",
     [] {
         sockaddr_storage address{};
         address.ss_family = AF_UNIX;
         return ::sendto(2, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), 3) == 1;
     }},
    {"trace its parent", [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), 0, 0) == 0; }},
    {"be traced", [] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0) == 0; }},
    {"signal everybody", [] { return ::kill(-1, 0) == 0; }},
    {"signal another process's thread", [] { return ::syscall(SYS_tgkill, 1, 1, 0) == 0; }},
    {"hold another process", [] { return ::syscall(SYS_pidfd_open, 1, 0) >= 0; }},
    {"read another process",
     [] {
         char byte = 0;
         iovec here{&byte, 1};
         return ::syscall(SYS_process_vm_readv, 1, &here, 1UL, &here, 1UL, 0UL) == 1;
     }},
    {"execute a program",
     [] {
         char* none[] = {nullptr};
         return ::execve("/bin/true", none, none) == 0;
     }},
    {"make a process", [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0; }},
    {"make a process by clone3",
     [] {
         std::uint64_t arguments[8]{};
         return ::syscall(SYS_clone3, arguments, sizeof(arguments)) >= 0;
     },
     true},
    {"map memory to execute",
     [] {
         return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
     }},
    {"make memory executable",
     [] {
         void* page =
             ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return ::mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
     }},
    {"make memory executable with a key",
     [] { return ::syscall(SYS_pkey_mprotect, nullptr, 0UL, PROT_EXEC, -1) == 0; }},
    {"make a file in memory", [] { return ::syscall(SYS_memfd_create, "x", 0) >= 0; }},
    {"make a machine", [] { return ::ioctl(2, KVM_CREATE_VM, 0) >= 0; }},
    {"type into a terminal", [] { return ::ioctl(2, TIOCSTI, "x") == 0; }},
    {"own a ring of calls", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr) >= 0; }},
    {"allow itself a dump", [] { return ::prctl(PR_SET_DUMPABLE, 1) == 0; }},
    {"put on a filter", [] { return ::syscall(SYS_seccomp, 1, 0, nullptr) == 0; }},
    {"raise a limit",
     [] {
         const rlimit core{RLIM_INFINITY, RLIM_INFINITY};
         return ::setrlimit(RLIMIT_CORE, &core) == 0;
     }},
    {"leave its namespaces", [] { return ::unshare(CLONE_NEWUSER) == 0; }},
    {"mount", [] { return ::mount("x", "/", "tmpfs", 0, nullptr) == 0; }},
};

TEST(Jail, ARunningVmmThatWasTakenOverGetsNowhere) {
    SKIP_WHERE_SANITIZED();
    for (const Attempt& attempt : kAttempts) {
        Profile profile = vmm_profile();
        profile.kept_descriptors = {2};
        const int status = in_jail(profile, [&attempt] {
            if (!restrict_calls(vmm_running_profile())) {
                return 98;
            }
            return attempt.act() ? 1 : 0;
        });
        EXPECT_TRUE(attempt.library_call ? exited_with(status, 0) : killed_by_filter(status))
            << attempt.name << ": " << status;
    }
}

TEST(Jail, AForbiddenCallOfAnOlderThreadKillsToo) {
    SKIP_WHERE_SANITIZED();
    const int status = run([] {
        const Profile profile = child_profile();
        if (!isolate(profile)) {
            return 99;
        }
        FdPair start;
        FdPair done;
        if (auto pair = make_pipe()) {
            start = std::move(*pair);
        }
        if (auto pair = make_pipe()) {
            done = std::move(*pair);
        }
        std::thread older([&] {
            if (wait_for_byte(start.first)) {
                ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0);
                send_byte(done.second);
            }
        });
        if (!restrict_calls(profile)) {
            ::_exit(99);
        }
        ::_exit(send_byte(start.second) && wait_for_byte(done.first) ? 1 : 98);
        return 0;
    });
    EXPECT_TRUE(killed_by_filter(status)) << status;
}

TEST(Jail, ASecondFilterAllowsLess) {
    SKIP_WHERE_SANITIZED();
    const auto make_thread = [] {
        std::thread thread([] {});
        thread.join();
        return 0;
    };
    EXPECT_TRUE(exited_with(in_jail(child_profile(), make_thread), 0));
    EXPECT_TRUE(killed_by_filter(in_jail(child_profile(), [&make_thread] {
        return restrict_calls(nsm_serving_profile()) ? make_thread() : 98;
    })));
}

TEST(Jail, NoFileCanBeOpenedEvenWithoutTheFilter) {
    const int status = in_isolation(child_profile(), [] {
        const bool opened = ::open("/etc/passwd", O_RDONLY) >= 0 ||
                            ::open("/dev/null", O_RDONLY) >= 0 ||
                            ::open("/proc/self/status", O_RDONLY) >= 0 ||
                            ::open("/new", O_WRONLY | O_CREAT, 0600) >= 0;
        return opened ? 1 : 0;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, OnlyKeptDescriptorsStayOpen) {
    auto pair = make_pipe();
    ASSERT_TRUE(pair.ok());
    const int kept = pair->second.get();
    const int other = pair->first.get();
    Profile profile = child_profile();
    profile.kept_descriptors = {kept, 2};
    const int status = in_isolation(profile, [kept, other] {
        int open = 0;
        for (int fd = 0; fd < 1024; ++fd) {
            open += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        }
        const bool right = ::fcntl(kept, F_GETFD) >= 0 && ::fcntl(other, F_GETFD) < 0;
        return open == 2 && right ? 0 : 1;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, NoDumpNoTraceNoPrivilegeNoCapability) {
    const int status = in_isolation(child_profile(), [] {
        rlimit core{1, 1};
        ::getrlimit(RLIMIT_CORE, &core);
        int failed = 0;
        failed |= ::prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1;
        failed |= ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 2;
        failed |= core.rlim_cur == 0 && core.rlim_max == 0 ? 0 : 4;
        failed |= ::geteuid() != 0 && ::setuid(0) != 0 ? 0 : 8;
        failed |= ::prctl(PR_CAPBSET_READ, 0) <= 0 || ::geteuid() != 0 ? 0 : 16;
        failed |= ::unshare(CLONE_NEWNET) != 0 ? 0 : 32;
        return failed;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

// What another process of the same user sees of a jailed one in /proc.
std::string status_of_jailed_child() {
    auto pipe = make_pipe();
    auto hold = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
        Profile profile = child_profile();
        profile.kept_descriptors = {2, pipe->second.get(), hold->first.get()};
        const bool entered = enter(profile) && send_byte(pipe->second);
        ::_exit(entered && wait_for_byte(hold->first) ? 0 : 99);
    }
    pipe->second.reset();
    hold->first.reset();
    std::string text;
    if (wait_for_byte(pipe->first)) {
        const auto bytes = read_file("/proc/" + std::to_string(child) + "/status", 1U << 16U);
        text = bytes ? std::string(as_text(*bytes)) : bytes.error().message();
    }
    hold->second.reset();
    ::waitpid(child, nullptr, 0);
    return text;
}

TEST(Jail, TheKernelConfirms) {
    SKIP_WHERE_SANITIZED();
    const std::string text = status_of_jailed_child();
    EXPECT_THAT(text, HasSubstr("Seccomp:\t2\n"));
    EXPECT_THAT(text, HasSubstr("NoNewPrivs:\t1\n"));
    EXPECT_THAT(text, HasSubstr("CapPrm:\t0000000000000000\n"));
    EXPECT_THAT(text, HasSubstr("CapEff:\t0000000000000000\n"));
    if (::geteuid() == 0) {
        EXPECT_THAT(text, HasSubstr("Uid:\t65534\t65534\t65534\t65534\n"));
        EXPECT_THAT(text, HasSubstr("CapBnd:\t0000000000000000\n"));
    }
}

TEST(Jail, AnOrdinaryUserGetsInToo) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "the other tests already run as an ordinary user";
    }
    const int status = run([] {
        if (::setresgid(12345, 12345, 12345) != 0 || ::setresuid(12345, 12345, 12345) != 0) {
            return 98;
        }
        const auto entered = isolate(child_profile());
        if (!entered) {
            std::fprintf(stderr, "%s\n", entered.error().message().c_str());
            return 99;
        }
        for (const std::string& note : entered->notes) {
            std::fprintf(stderr, "note: %s\n", note.c_str());
        }
        return ::open("/etc/passwd", O_RDONLY) < 0 ? 0 : 1;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, TheParentsDeathStillKills) {
    const int status = run([] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!isolate(child_profile())) {
            return 99;
        }
        int signal = 0;
        ::prctl(PR_GET_PDEATHSIG, &signal);
        return signal == SIGKILL ? 0 : 1;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, AProcessWithThreadsIsRefused) {
    const int status = run([] {
        FdPair hold;
        if (auto pair = make_pipe()) {
            hold = std::move(*pair);
        }
        std::thread other([&hold] { wait_for_byte(hold.first); });
        const auto entered = isolate(child_profile());
        ::_exit(!entered && entered.error().is(JailErrc::bad_profile) ? 0 : 1);
        return 0;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, LimitsAreSet) {
    Profile profile = child_profile();
    profile.max_descriptors = 10;
    profile.max_file_size = 4;
    profile.makes_threads = false;
    auto file = make_memory_file("limited", 0);
    ASSERT_TRUE(file.ok());
    profile.kept_descriptors = {2, file->get()};
    const int fd = file->get();
    const int status = in_isolation(profile, [fd] {
        int failed = 0;
        failed |= ::write(fd, "12345678", 8) == 4 ? 0 : 1;
        failed |= ::write(fd, "5678", 4) < 0 && errno == EFBIG ? 0 : 2;
        int last = fd;
        for (int i = 0; i < 16 && last >= 0; ++i) {
            last = ::dup(fd);
        }
        failed |= last < 0 && errno == EMFILE ? 0 : 4;
        rlimit processes{1, 1};
        ::getrlimit(RLIMIT_NPROC, &processes);
        failed |= processes.rlim_max == 0 ? 0 : 8;
        return failed;
    });
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

TEST(Jail, NoNetworkBesidesTheLoopbackOfItsOwn) {
    const int status = run([] {
        const auto isolated = isolate(child_profile());
        if (!isolated) {
            return 99;
        }
        for (const std::string& note : isolated->notes) {
            if (note.find("network") != std::string::npos) {
                return 77;
            }
        }
        // In an empty namespace not even the loopback is up.
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_storage address{};
        address.ss_family = AF_INET;
        const bool sent = ::sendto(fd, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), 16) >= 0;
        return sent ? 1 : 0;
    });
    if (exited_with(status, 77)) {
        GTEST_SKIP() << "this kernel gives no network namespace here";
    }
    EXPECT_TRUE(exited_with(status, 0)) << status;
}

}  // namespace
}  // namespace casemate::jail
