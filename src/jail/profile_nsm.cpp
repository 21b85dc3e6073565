// casemate-nsm: it reads one file, fills one memory file, and answers on sockets.
#include <sys/syscall.h>

#include "jail/common_calls.hpp"
#include "jail/profile.hpp"

namespace casemate::jail {

namespace {

Profile make(std::string_view name, std::vector<AllowedCall> allowed) {
    Profile profile;
    profile.name = name;
    profile.allowed = std::move(allowed);
    profile.refused = library_attempts();
    profile.violation = kViolation;
    profile.kept_descriptors = {0, 1, 2, 3};
    profile.max_descriptors = 32;
    return profile;
}

std::vector<AllowedCall> loading_calls() {
    return {
        {SYS_pread64, "the image", {}},
    };
}

// One thread that answers packets: what it calls when it does, and nothing for reading files.
std::vector<AllowedCall> serving_calls() {
    return {
        {SYS_poll, "waiting for a packet", {}},
        {SYS_recvmsg, "requests, and certificates from the supervisor", {}},
        {SYS_sendmsg, "responses, and keys to be certified", {}},
        {SYS_close, "descriptors that came with a packet, and are not wanted", {}},
        {SYS_write, "the log", {}},
        {SYS_getrandom, "random numbers for the guest, for keys and for signatures", {}},
        {SYS_clock_gettime, "time, where the kernel has no vDSO clock", {}},
        {SYS_restart_syscall, "waiting, continued after a stop", {}},
        {SYS_futex, "what the cryptographic library does once", {}},
    };
}

}  // namespace

Profile nsm_profile() {
    return make("casemate-nsm", join({descriptor_calls(), file_size_calls(), loading_calls(),
                                      runtime_calls(), thread_calls(), further_filter_calls()}));
}

Profile nsm_serving_profile() {
    return make("casemate-nsm, serving", join({serving_calls(), memory_calls(), ending_calls()}));
}

}  // namespace casemate::jail
