// A request that wraps around the end of the address space.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kNsm);
    Ring queue(kNsm, 0, 2);
    driver_ok(kNsm);
    queue.add(0xfffffffffffffff0, 0x20, false);
    queue.kick();
    report_needs_reset(kNsm);
    reset();
}
