// A packet outside of RAM, in the hole where the devices are.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kVsock);
    Ring transmit(kVsock, 1, 4);
    driver_ok(kVsock);
    transmit.add(kVsock, 44, false);
    transmit.kick();
    report_needs_reset(kVsock);
    reset();
}
