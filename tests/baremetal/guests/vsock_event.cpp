// Drives the event queue: its buffer is kept, since nothing ever happens; an index that lies is
// noticed.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kVsock);
    Ring event(kVsock, 2, 4);
    driver_ok(kVsock);
    event.add(kBuffers, 4, true);
    event.kick();
    print("used ");
    print_hex(event.used_index(), 1);
    print(" status ");
    print_hex(status(kVsock), 2);
    print("\n");
    event.set_available(0, 100);
    event.kick();
    report_needs_reset(kVsock);
    reset();
}
