// The console: where the first process says what happened, and the app's standard streams.
#pragma once

#include <string_view>

namespace casemate::guest {

// open_console makes /dev/console the standard streams; /dev/null where the kernel has no console.
// Without either the streams stay closed and nothing can be said.
void open_console();

// say writes one line, "casemate-init: SENTENCE", to standard error.
void say(std::string_view sentence);

// drain_console waits until what was written has left the serial port.
void drain_console();

}  // namespace casemate::guest
