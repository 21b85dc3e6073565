// Vmm: the process that runs one enclave's virtual machine. It is handed everything it uses, goes
// to jail, and from then on moves bytes between guest memory and descriptors.
#pragma once

#include "base/fd.hpp"

namespace casemate::vmm {

// run_vmm serves one control socket (SOCK_SEQPACKET, machine/control.hpp): it goes to jail, waits
// for Start, runs the machine to its end and answers Exited. It gives the process's exit status: 0
// when Exited was sent, 1 when the supervisor was gone or the jail could not be entered. For a
// process with one thread, which must end afterwards.
[[nodiscard]] int run_vmm(UniqueFd control);

}  // namespace casemate::vmm
