// Says hello and ends.
#include "guest.hpp"

void guest_main() {
    guest::print("hello from ring 0\n");
    guest::reset();
}
