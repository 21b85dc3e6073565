// Asks the serial port, the keyboard controller and the clock what drivers ask, and prints the
// answers.
#include "guest.hpp"

using namespace guest;

namespace {

uint8_t keyboard_ask(uint8_t command) {
    out8(kKeyboardCommand, command);
    // The answer must be there at once.
    return (in8(kKeyboardCommand) & 1) != 0 ? in8(kKeyboardData) : 0xee;
}

uint8_t clock_register(uint8_t index) {
    out8(0x70, index);
    return in8(0x71);
}

void line(const char* name, uint64_t value, unsigned digits) {
    print(name);
    print("=");
    print_hex(value, digits);
    print("\n");
}

}  // namespace

void guest_main() {
    line("i8042.status", in8(kKeyboardCommand), 2);
    line("i8042.selftest", keyboard_ask(0xaa), 2);
    line("i8042.ctr", keyboard_ask(0x20), 2);
    out8(kKeyboardCommand, 0x60);
    out8(kKeyboardData, 0x74);
    line("i8042.ctr.new", keyboard_ask(0x20), 2);
    line("cmos.a", clock_register(0x0a), 2);
    line("cmos.b", clock_register(0x0b), 2);
    line("cmos.d", clock_register(0x0d), 2);
    line("cmos.date",
         static_cast<uint64_t>(clock_register(0x32)) << 24 | clock_register(0x09) << 16 |
             clock_register(0x08) << 8 | clock_register(0x07),
         8);
    // Loopback: RTS and OUT2 come back as CTS and DCD.
    out8(kSerial + 4, 0x1a);
    const uint8_t modem = in8(kSerial + 6);
    out8(kSerial + 4, 0x0b);
    line("serial.loopback", modem, 2);
    out8(kSerial + 2, 0x01);
    line("serial.iir", in8(kSerial + 2), 2);
    // Enabling the transmitter's interrupt finds it pending, once.
    out8(kSerial + 1, 0x02);
    const uint8_t pending = in8(kSerial + 2);
    const uint8_t taken = in8(kSerial + 2);
    out8(kSerial + 1, 0x00);
    line("serial.thre", pending, 2);
    line("serial.taken", taken, 2);
    reset();
}
