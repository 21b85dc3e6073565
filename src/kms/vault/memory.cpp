#include "kms/vault/memory.hpp"

#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "base/os_error.hpp"

namespace casemate::kms {

namespace {

bool may_lock_without_limit() {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY) {
        return true;
    }
    __user_cap_header_struct header{};
    header.version = _LINUX_CAPABILITY_VERSION_3;
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    return ::syscall(SYS_capget, &header, sets.data()) == 0 &&
           (sets[0].effective & (1U << static_cast<unsigned>(CAP_IPC_LOCK))) != 0;
}

}  // namespace

Result<std::optional<std::string>> protect_memory() {
    const struct rlimit none {};
    if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return os_error("forbid core dumps of this process");
    }
    // Under a limit, later allocations would fail: then rather none is locked.
    if (!may_lock_without_limit()) {
        return std::optional<std::string>(
            "expected to be let lock memory (CAP_IPC_LOCK, or no limit on locked memory), found a "
            "limit; secrets may reach the swap");
    }
    // Each page when it is first touched: most of what is mapped never is.
    if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        return std::optional<std::string>(os_error("lock memory").message() +
                                          "; secrets may reach the swap");
    }
    return std::optional<std::string>();
}

}  // namespace casemate::kms
