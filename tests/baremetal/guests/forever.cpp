// Never ends by itself: it waits for an interrupt that nobody sends.
#include "guest.hpp"

void guest_main() {
    guest::print("waiting\n");
    for (;;) {
        asm volatile("cli; hlt");
    }
}
