// An available index further ahead than the transmit queue is long.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kVsock);
    Ring transmit(kVsock, 1, 4);
    driver_ok(kVsock);
    transmit.set_available(0, 5);
    transmit.kick();
    report_needs_reset(kVsock);
    reset();
}
