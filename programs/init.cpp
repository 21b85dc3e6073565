// The first process of an enclave, /init of the first ramdisk.
#include <unistd.h>

#include "guest/init/boot.hpp"
#include "guest/init/console.hpp"

int main() {
    if (getpid() != 1) {
        casemate::guest::say("expected to be the first process of an enclave, found another one");
        return 1;
    }
    casemate::guest::boot({});
}
