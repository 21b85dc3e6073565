// The life of an enclave from its first process on (formats.md 3.2).
#pragma once

#include "guest/init/outside.hpp"

namespace casemate::guest {

// boot does everything and does not return: it ends by resetting the machine, after the app has
// ended or after a sentence on the console that says what went wrong.
[[noreturn]] void boot(const Platform& platform);

// run_customer is the part of boot that follows the console and the drivers: heartbeat, the
// customer's ramdisk, the app, the report, the reset. The standard streams are open.
[[noreturn]] void run_customer(const Platform& platform);

}  // namespace casemate::guest
