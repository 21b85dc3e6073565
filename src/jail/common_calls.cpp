#include "jail/common_calls.hpp"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace casemate::jail {

namespace {

// no_execution: no memory that was or is writable ever becomes code.
ArgumentRule no_execution() {
    return {2, PROT_EXEC, {0}};
}

// own_process: signals go to this process's own threads only.
ArgumentRule own_process() {
    return {0, kIntArgument, {static_cast<std::uint64_t>(::getpid())}};
}

}  // namespace

std::vector<AllowedCall> memory_calls() {
    return {
        {SYS_brk, "heap", {}},
        {SYS_mmap, "heap, stacks and memory files, never executable", {no_execution()}},
        {SYS_mprotect, "guard pages, never executable", {no_execution()}},
        {SYS_munmap, "heap, stacks and memory files", {}},
        {SYS_mremap, "growing large blocks", {}},
        {SYS_madvise, "giving back heap and stacks", {}},
    };
}

std::vector<AllowedCall> ending_calls() {
    return {
        {SYS_exit_group, "end of the process", {}},
        {SYS_rt_sigprocmask, "threads and abort", {}},
        {SYS_rt_sigaction, "abort takes its handler away", {}},
        {SYS_gettid, "abort names its own thread", {}},
        {SYS_getpid, "abort names its own process, random numbers tell forks apart", {}},
        {SYS_tgkill, "abort, and waking a thread of this process", {own_process()}},
        {SYS_writev, "the C library's last words in the log", {}},
    };
}

std::vector<AllowedCall> runtime_calls() {
    return join({{
                     {SYS_futex, "locks and condition variables", {}},
                     {SYS_clock_gettime, "time, where the kernel has no vDSO clock", {}},
                     {SYS_restart_syscall, "waiting, continued after a stop", {}},
                     {SYS_rt_sigreturn, "end of a signal handler", {}},
                     {SYS_sched_yield, "spinning politely", {}},
                     {SYS_getrandom, "random numbers", {}},
                     {SYS_exit, "end of a thread", {}},
                 },
                 memory_calls(),
                 ending_calls()});
}

std::vector<AllowedCall> thread_calls() {
    constexpr std::uint64_t kThread =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    constexpr std::uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                          CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                          CLONE_NEWNET;
    return {
        {SYS_clone, "a thread; never a process", {{0, kThread | kNamespaces, {kThread}}}},
        {SYS_set_robust_list, "start of a thread", {}},
        {SYS_rseq, "start of a thread", {}},
    };
}

std::vector<AllowedCall> further_filter_calls() {
    return {{SYS_seccomp,
             "allowing still less",
             {{0, kIntArgument, {SECCOMP_SET_MODE_FILTER}},
              {1, kIntArgument, {SECCOMP_FILTER_FLAG_TSYNC}}}}};
}

std::vector<AllowedCall> descriptor_calls() {
    return {
        {SYS_read, "sockets, event counters and files handed in", {}},
        {SYS_write, "sockets, event counters and the log", {}},
        {SYS_recvmsg, "packets and the descriptors in them", {}},
        {SYS_sendmsg, "packets", {}},
        {SYS_sendto, "sockets, without an address", {{{4, ~0ULL, {0}}}}},
        {SYS_close, "descriptors", {}},
        {SYS_fcntl, "blocking or not", {{{1, kIntArgument, {F_GETFL, F_SETFL}}}}},
        {SYS_poll, "waiting for one descriptor", {}},
    };
}

std::vector<AllowedCall> file_size_calls() {
    return {
        {SYS_fstat, "the size of a file handed in", {}},
        {SYS_newfstatat,
         "the C library's way to the size of a file handed in",
         {{{3, kIntArgument, {AT_EMPTY_PATH}}}}},
    };
}

std::vector<RefusedCall> library_attempts() {
    return {
        {SYS_clone3, ENOSYS, "its flags are in memory, where a filter can't see; clone follows"},
        {SYS_openat, ENOENT, "libraries look for CPU lists and settings; there is no file"},
    };
}

std::vector<AllowedCall> join(std::vector<std::vector<AllowedCall>> lists) {
    std::vector<AllowedCall> all;
    for (auto& list : lists) {
        all.insert(all.end(), list.begin(), list.end());
    }
    return all;
}

}  // namespace casemate::jail
