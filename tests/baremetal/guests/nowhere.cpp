// Reads and writes where there is nothing, in all widths, and lives to tell.
#include "guest.hpp"

using namespace guest;

void guest_main() {
    out8(0x80, 1);
    out32(0xcf8, 0x80000000);
    print_hex(in32(0xcfc), 8);
    print(" ");
    print_hex(in8(0x2f8), 2);
    print(" ");
    print_hex(in8(0xffff), 2);
    print(" ");
    // The device hole, behind the devices; and straddling the end of a device's page.
    write32(0xd0100000, 0x12345678);
    print_hex(read32(0xd0100000), 8);
    print(" ");
    print_hex(read32(0xd0001ffe), 8);
    print(" ");
    // A serial port that is read as 32 bits.
    out32(kSerial + 4, 0);
    print_hex(in32(kSerial + 6), 8);
    print("\n");
    reset();
}
