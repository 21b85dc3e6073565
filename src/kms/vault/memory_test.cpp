#include "kms/vault/memory.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/file.hpp"
#include "base/secret.hpp"

namespace casemate::kms {
namespace {

std::uint64_t locked_kib() {
    const Bytes status = read_file("/proc/self/status", 65536).value();
    const std::string text(as_text(status));
    const std::size_t at = text.find("VmLck:");
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 6, nullptr, 10);
}

// locked_kib_at gives how much is locked of the mapping that an address is in.
std::uint64_t locked_kib_at(const void* address) {
    std::ifstream smaps("/proc/self/smaps");
    const auto wanted = std::bit_cast<std::uintptr_t>(address);
    bool inside = false;
    std::string line;
    while (std::getline(smaps, line)) {
        unsigned long long start = 0;
        unsigned long long end = 0;
        if (std::sscanf(line.c_str(), "%llx-%llx ", &start, &end) == 2) {
            inside = start <= wanted && wanted < end;
        } else if (inside && line.starts_with("Locked:")) {
            return std::strtoull(line.c_str() + 7, nullptr, 10);
        }
    }
    return 0;
}

// What was wrong, as an exit status; in a process of its own, for it can't be undone.
int what_is_wrong() {
    const auto note = protect_memory();
    struct rlimit core {};
    if (!note || ::getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) {
        return 1;
    }
    if (::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return 2;
    }
    // Either it is locked or it is said that it is not.
    if (note->has_value() != (locked_kib() == 0)) {
        return 3;
    }
    // A secret that is made later lies in locked pages too, whole.
    constexpr std::size_t kSize = std::size_t{1} << 20U;
    SecretBytes secret(kSize);
    std::ranges::fill(secret.mutable_view(), std::uint8_t{1});
    if (!note->has_value() && locked_kib_at(secret.view().data()) < kSize / 1024) {
        return 4;
    }
    return 0;
}

TEST(Memory, IsNotDumpedAndIsLockedOrSaysThatItIsNot) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::_exit(what_is_wrong());
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Memory, LeavesNoCore) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        static_cast<void>(protect_memory());
        static_cast<void>(::raise(SIGQUIT));
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_FALSE(WCOREDUMP(status));
}

}  // namespace
}  // namespace casemate::kms
