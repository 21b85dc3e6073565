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

}  // namespace

Profile nsm_profile() {
    return make("casemate-nsm", join({descriptor_calls(), file_size_calls(), loading_calls(),
                                      runtime_calls(), thread_calls(), further_filter_calls()}));
}

Profile nsm_serving_profile() {
    return make("casemate-nsm, serving", join({descriptor_calls(), runtime_calls()}));
}

}  // namespace casemate::jail
