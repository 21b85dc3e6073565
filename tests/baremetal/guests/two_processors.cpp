// Starts the second processor through the local APIC, which writes down that it ran.
#include "guest.hpp"

using namespace guest;

namespace {

constexpr uint64_t kCommandLow = 0xfee00300;
constexpr uint64_t kCommandHigh = 0xfee00310;
constexpr uint64_t kCode = 0x2000;
constexpr uint64_t kMark = 0x600;

// Real mode: movb $0x5a, 0x600; hlt
constexpr uint8_t kTrampoline[] = {0xc6, 0x06, 0x00, 0x06, 0x5a, 0xf4};

void send_to_second(uint32_t command) {
    write32(kCommandHigh, 1U << 24);
    write32(kCommandLow, command);
}

}  // namespace

void guest_main() {
    for (size_t i = 0; i < sizeof kTrampoline; ++i) {
        reinterpret_cast<volatile uint8_t*>(kCode)[i] = kTrampoline[i];
    }
    send_to_second(0x4500);                  // INIT
    send_to_second(0x4600 | (kCode >> 12));  // start-up
    for (int i = 0; i < 100000 && (read32(kMark) & 0xff) != 0x5a; ++i) {
        // Leaving the guest lets the other run where there is one CPU.
        out8(0x80, 0);
    }
    print((read32(kMark) & 0xff) == 0x5a ? "two\n" : "one\n");
    reset();
}
