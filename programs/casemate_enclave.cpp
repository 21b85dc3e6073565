// casemate-enclave: the supervisor of one enclave. run-enclave starts it with a socket as
// descriptor 3; it goes into the background by itself.
#include <unistd.h>

#include <cstdio>

#include "base/fd.hpp"
#include "enclave/supervisor.hpp"

int main() {
    constexpr int kChannel = 3;
    casemate::UniqueFd channel(kChannel);
    if (!casemate::set_nonblocking(kChannel, false)) {
        std::fputs("casemate-enclave: started by `casemate run-enclave`, not by hand\n", stderr);
        return 2;
    }
    // The parent's own child ends at once, so that nobody has to wait for the supervisor.
    const pid_t pid = ::fork();
    if (pid != 0) {
        return pid < 0 ? 1 : 0;
    }
    return casemate::enclave::run_supervisor(std::move(channel));
}
