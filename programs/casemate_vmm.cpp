// casemate-vmm: the hypervisor half of an enclave. Descriptor 3 is its control socket; all else
// comes over that (src/machine/control.hpp). The log goes to standard error.
#include <malloc.h>
#include <sys/socket.h>

#include <cstdio>

#include "vmm/vmm.hpp"

int main() {
    constexpr int kControl = 3;
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(kControl, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
        std::fputs("casemate-vmm: descriptor 3 must be the supervisor's control socket\n", stderr);
        return 2;
    }
    // One heap for all threads: each further one would cost every enclave its memory.
    ::mallopt(M_ARENA_MAX, 1);
    return casemate::vmm::run_vmm(casemate::UniqueFd(kControl));
}
