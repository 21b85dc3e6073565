// A receive buffer that reaches beyond the end of RAM, and a packet that would need it.
#include "vsock_packet.hpp"

using namespace guest;

void guest_main() {
    negotiate(kVsock);
    Ring receive(kVsock, 0, 4);
    Ring transmit(kVsock, 1, 4);
    driver_ok(kVsock);
    receive.add(0x3fffff0, 4096, true);
    // Nobody is at that address, so a RST is due.
    transmit.add(make_packet(17, 1, 1, 0, 0), kHeader, false);
    transmit.kick();
    report_needs_reset(kVsock);
    reset();
}
