// Drives the receive and the transmit queue: connects to the parent, says one thing, hears one
// thing, closes; then tries another enclave.
#include "vsock_packet.hpp"

using namespace guest;

void guest_main() {
    negotiate(kVsock);
    Ring receive(kVsock, 0, 4);
    Ring transmit(kVsock, 1, 4);
    driver_ok(kVsock);
    constexpr uint64_t kReceived = kBuffers + 0x1000;
    const auto ask = [&](uint32_t cid, uint32_t operation, uint32_t length, uint32_t flags) {
        receive.add(kReceived, 512, true);
        transmit.add(make_packet(cid, 5000, operation, length, flags), kHeader + length, false);
        transmit.kick();
        transmit.wait();
        report(kReceived, receive.wait());
    };
    ask(3, 1, 0, 0);
    write32(kBuffers + kHeader, 0x676e6970);
    ask(3, 5, 4, 0);
    ask(3, 4, 0, 3);
    ask(17, 1, 0, 0);
    reset();
}
