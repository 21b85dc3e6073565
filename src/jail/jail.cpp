#include "jail/jail.hpp"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/os_error.hpp"
#include "jail/filter.hpp"

namespace casemate::jail {

std::string_view describe(JailErrc code) {
    switch (code) {
        case JailErrc::bad_profile:
            return "bad jail profile";
        case JailErrc::not_permitted:
            return "the jail can't be entered";
    }
    return "unknown jail error";
}

Result<> restrict_calls(const Profile& profile) {
    CASEMATE_TRY(std::vector<sock_filter> program, compile(profile));
    const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
    const long failed =
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all);
    if (failed != 0) {
        // A positive answer is a thread that could not be given the filter.
        const std::string reason =
            failed > 0 ? "thread " + std::to_string(failed) + " has a filter of its own"
                       : os_error("set the system-call filter").message();
        return Error(JailErrc::not_permitted, std::string(profile.name) + ": " + reason);
    }
    return {};
}

Result<Report> enter(const Profile& profile) {
    CASEMATE_TRY(Report report, isolate(profile));
    CASEMATE_CHECK(restrict_calls(profile));
    return report;
}

}  // namespace casemate::jail
