#include "kms/vault/memory.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/file.hpp"

namespace casemate::kms {
namespace {

std::uint64_t locked_kib() {
    const Bytes status = read_file("/proc/self/status", 65536).value();
    const std::string text(as_text(status));
    const std::size_t at = text.find("VmLck:");
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + 6, nullptr, 10);
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
    return note->has_value() == (locked_kib() == 0) ? 0 : 3;
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

}  // namespace
}  // namespace casemate::kms
