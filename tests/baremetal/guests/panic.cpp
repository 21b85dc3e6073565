// Says what a Linux guest says when it panics.
#include "guest.hpp"

void guest_main() {
    guest::print("[    0.5] Kernel panic - not syncing: no working init\r\n");
    guest::reset();
}
