// What a bare-metal guest needs of virtio-mmio: negotiation, and one split ring at a time.
#pragma once

#include "guest.hpp"

namespace guest {

inline constexpr uint64_t kVsock = 0xd0000000;
inline constexpr uint64_t kNsm = 0xd0001000;

inline constexpr uint32_t kNeedsReset = 0x40;
// RAM that no program lies in.
inline constexpr uint64_t kRings = 0x400000;
inline constexpr uint64_t kBuffers = 0x500000;

inline uint32_t status(uint64_t device) {
    return read32(device + 0x70);
}

// negotiate goes as far as FEATURES_OK, with VERSION_1 and nothing else.
inline void negotiate(uint64_t device) {
    write32(device + 0x70, 0);
    write32(device + 0x70, 1);
    write32(device + 0x70, 3);
    write32(device + 0x24, 1);
    write32(device + 0x20, 1);
    write32(device + 0x24, 0);
    write32(device + 0x20, 0);
    write32(device + 0x70, 11);
}

inline void driver_ok(uint64_t device) {
    write32(device + 0x70, 15);
}

// Ring: queue number index of a device, of at most 16 descriptors; one descriptor a chain.
struct Ring {
    uint64_t device;
    uint32_t index;
    uint32_t size;
    uint64_t base;
    uint16_t added = 0;
    uint16_t seen = 0;

    Ring(uint64_t of, uint32_t number, uint32_t entries)
        : device(of), index(number), size(entries), base(kRings + number * 0x1000) {
        write32(base + 0x400, 0);
        write32(base + 0x800, 0);
        write32(device + 0x30, index);
        write32(device + 0x38, size);
        write32(device + 0x80, static_cast<uint32_t>(base));
        write32(device + 0x84, 0);
        write32(device + 0x90, static_cast<uint32_t>(base + 0x400));
        write32(device + 0x94, 0);
        write32(device + 0xa0, static_cast<uint32_t>(base + 0x800));
        write32(device + 0xa4, 0);
        write32(device + 0x44, 1);
    }

    void set_available(uint16_t head, uint16_t next_index) {
        *reinterpret_cast<volatile uint16_t*>(base + 0x404 + 2 * (added % size)) = head;
        *reinterpret_cast<volatile uint16_t*>(base + 0x402) = next_index;
    }
    // add makes one buffer available as descriptor added % size.
    void add(uint64_t address, uint32_t length, bool write) {
        const uint16_t slot = static_cast<uint16_t>(added % size);
        const uint64_t at = base + 16 * slot;
        write32(at, static_cast<uint32_t>(address));
        write32(at + 4, static_cast<uint32_t>(address >> 32));
        write32(at + 8, length);
        write32(at + 12, write ? 2 : 0);
        set_available(slot, static_cast<uint16_t>(added + 1));
        ++added;
    }
    void kick() const { write32(device + 0x50, index); }
    uint16_t used_index() const { return *reinterpret_cast<volatile uint16_t*>(base + 0x802); }
    // wait gives the number of bytes written to the next buffer that comes back.
    uint32_t wait() {
        while (used_index() == seen) {
        }
        const uint32_t written = read32(base + 0x808 + 8 * (seen % size));
        ++seen;
        return written;
    }
};

// report_needs_reset waits until the device asks to be reset, then has it work again.
inline void report_needs_reset(uint64_t device) {
    while ((status(device) & kNeedsReset) == 0) {
    }
    print("needs reset, interrupt ");
    // What was used before the lie may be told as well.
    print_hex(read32(device + 0x60) & 2, 1);
    negotiate(device);
    print(", afterwards ");
    print_hex(status(device), 2);
    print("\n");
}

}  // namespace guest
