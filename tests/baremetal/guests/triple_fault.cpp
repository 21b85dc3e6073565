// Takes an exception without an interrupt table.
#include "guest.hpp"

void guest_main() {
    guest::print("falling\n");
    asm volatile("movq $0x1234567890abcdef, %%r15\n ud2" : : : "r15");
    guest::reset();
}
