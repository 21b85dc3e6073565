// The standard streams of a program that may have been started without them.
#pragma once

namespace casemate {

// keep_standard_streams opens what is closed of the descriptors 0 to 2, so that no file that the
// program opens gets their place: input is at its end then, and output can't be written.
void keep_standard_streams();

}  // namespace casemate
