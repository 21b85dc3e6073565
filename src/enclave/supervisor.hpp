// Supervisor: one process, one enclave, from its start to its end. It owns the enclave's place in
// the registry, its console, heartbeat, streams and exit status; when it dies, so does the enclave.
#pragma once

#include "base/fd.hpp"

namespace casemate::enclave {

// run_supervisor is the life of a supervisor. channel is a stream socket to run-enclave: a
// StartConfiguration comes from it, StartReports go to it, and its end before the enclave has
// started ends the enclave. Returns the process's exit status.
[[nodiscard]] int run_supervisor(UniqueFd channel);

}  // namespace casemate::enclave
