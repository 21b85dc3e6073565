// casemate-nsm: the security module of one enclave. Descriptor 3 is its control socket
// (nsm/control.hpp); descriptor 2 is its log. It takes no arguments and no environment.
#include <cstdio>
#include <string>

#include "base/working_set.hpp"
#include "jail/jail.hpp"
#include "nsm/service.hpp"

namespace {

constexpr int kControl = 3;

void log(const std::string& line) {
    std::fprintf(stderr, "casemate-nsm: %s\n", line.c_str());
}

casemate::Result<> run() {
    using namespace casemate;
    CASEMATE_TRY(const jail::Report jailed, jail::enter(jail::nsm_profile()));
    for (const std::string& note : jailed.notes) {
        log("note: " + note);
    }
    CASEMATE_TRY(nsm::Prepared prepared, nsm::prepare(kControl));
    CASEMATE_CHECK(jail::restrict_calls(jail::nsm_serving_profile()));
    forget_start_up();
    return nsm::serve(kControl, std::move(prepared), log);
}

}  // namespace

int main() {
    const auto ended = run();
    if (!ended) {
        log(ended.error().message());
        return 1;
    }
    return 0;
}
