// Vsock packets for bare-metal guests.
#pragma once

#include "virtio.hpp"

namespace guest {

inline constexpr uint32_t kHeader = 44;
inline constexpr uint32_t kGuestPort = 1000;

// make_packet writes a packet's header to kBuffers.
inline uint64_t make_packet(uint32_t cid, uint32_t port, uint32_t operation, uint32_t length,
                            uint32_t flags) {
    const uint64_t at = kBuffers;
    write32(at, 16);
    write32(at + 4, 0);
    write32(at + 8, cid);
    write32(at + 12, 0);
    write32(at + 16, kGuestPort);
    write32(at + 20, port);
    write32(at + 24, length);
    write32(at + 28, operation << 16 | 1);
    write32(at + 32, flags);
    write32(at + 36, 4096);
    write32(at + 40, 0);
    return at;
}

// report prints a packet: operation, ports, length and what it says.
inline void report(uint64_t at, uint32_t size) {
    print("op ");
    print_hex(read32(at + 28) >> 16, 1);
    print(" from ");
    print_hex(read32(at), 2);
    print(":");
    print_hex(read32(at + 16), 4);
    print(" ");
    for (uint32_t i = kHeader; i < size; ++i) {
        out8(kSerial, *reinterpret_cast<volatile uint8_t*>(at + i));
    }
    print("\n");
}

}  // namespace guest
