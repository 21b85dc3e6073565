// An available index further ahead than the NSM queue is long.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kNsm);
    Ring queue(kNsm, 0, 2);
    driver_ok(kNsm);
    queue.set_available(0, 3);
    queue.kick();
    report_needs_reset(kNsm);
    reset();
}
