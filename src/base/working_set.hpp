// The memory a long-lived process keeps resident.
#pragma once

namespace casemate {

// forget_start_up gives back memory that only start-up used: freed heap, and the pages of the
// program's own code and constants, which come back from the page cache as they are used again. It
// changes nothing that the program can see.
void forget_start_up();

}  // namespace casemate
