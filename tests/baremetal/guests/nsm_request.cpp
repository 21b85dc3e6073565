// Drives the NSM queue as Linux does: request and response added, one kick, both back in order.
#include "virtio.hpp"

using namespace guest;

void guest_main() {
    negotiate(kNsm);
    Ring queue(kNsm, 0, 2);
    driver_ok(kNsm);
    write32(kBuffers, 0x3f796877);
    queue.add(kBuffers, 4, false);
    queue.add(kBuffers + 0x1000, 0x3000, true);
    queue.kick();
    const uint32_t request = queue.wait();
    const uint32_t response = queue.wait();
    print("used ");
    print_hex(request, 1);
    print(" ");
    print_hex(response, 2);
    print(" interrupt ");
    print_hex(read32(kNsm + 0x60), 1);
    print(": ");
    for (uint32_t i = 0; i < response; ++i) {
        out8(kSerial, *reinterpret_cast<volatile uint8_t*>(kBuffers + 0x1000 + i));
    }
    print("\n");
    reset();
}
