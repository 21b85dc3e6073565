// casemate-softhost-init: the first process of the software host.
#include "softhost/inside.hpp"

int main() {
    casemate::softhost::run_inside();
}
