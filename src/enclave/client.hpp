// Client: how commands talk to the supervisors that run.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "enclave/configuration.hpp"
#include "enclave/paths.hpp"
#include "enclave/record.hpp"

namespace casemate::enclave {

// How long a supervisor has to describe its enclave.
inline constexpr std::chrono::seconds kDescribeTime{3};
// How long it has to end it beyond the program's own time.
inline constexpr std::chrono::seconds kTerminateTime{20};

// Answer: what one supervisor said, or why it said nothing.
struct Answer {
    std::string id;
    Result<EnclaveRecord> record;
};

// check_readable tells whether the running enclaves can be listed; none having run is no error.
// EnclaveErrc::read_from_disk.
[[nodiscard]] Result<> check_readable(const Paths& paths);

// describe_all asks every living enclave at once and waits kDescribeTime for all of them. One that
// does not listen yet, or no more, is asked again for that time; if it ended it is left out.
[[nodiscard]] std::vector<Answer> describe_all(const Paths& paths);

// terminate ends the enclaves with these ids side by side and waits for their ends. seconds is how
// long their programs have for it; nothing: what run-enclave said. Errors by enclave:
// EnclaveErrc::socket when there is no such enclave, not_permitted when it is another user's.
[[nodiscard]] std::vector<Answer> terminate(const Paths& paths, const std::vector<std::string>& ids,
                                            std::optional<std::uint64_t> seconds = std::nullopt);

// wait_for_end waits until the enclave has ended, however long that takes, or until the descriptor
// interrupt (-1: none) is readable: then the record has no end. Errors: as terminate.
[[nodiscard]] Result<EnclaveRecord> wait_for_end(const Paths& paths, const std::string& id,
                                                 int interrupt = -1);

// describe asks one enclave. EnclaveErrc::socket when there is no such enclave.
[[nodiscard]] Result<EnclaveRecord> describe(const Paths& paths, const std::string& id);

// find_by_name gives the id of the living enclave with that name. EnclaveErrc::naming when none or
// several have it, read_from_disk.
[[nodiscard]] Result<std::string> find_by_name(const Paths& paths, const std::string& name);

// open_console gives a stream of the enclave's console from its first kept byte on.
// EnclaveErrc::console when the enclave is not in debug mode or can't be reached.
[[nodiscard]] Result<UniqueFd> open_console(const Paths& paths, const std::string& id);

// Launched: the enclave runs.
struct Launched {
    EnclaveRecord record;
};

// LaunchFailure: the supervisor could not start it, or the supervisor itself could not be started
// (by_supervisor is false then).
struct LaunchFailure {
    int code = 0;
    std::string reason;
    // Empty when the enclave never got one.
    std::string id;
    bool by_supervisor = true;
    // The caller has called the start off.
    bool called_off = false;
};

// launch starts a supervisor and waits for the enclave's heartbeat or its failure. say gets each
// line of progress. cancel is a descriptor that becomes readable when the start is called off, or
// -1: what was started is ended then, and launch returns when nothing is left of it. A caller that
// is killed has the same effect, but for the waiting.
[[nodiscard]] std::variant<Launched, LaunchFailure> launch(
    const StartConfiguration& configuration, const std::function<void(const std::string&)>& say,
    int cancel = -1);

}  // namespace casemate::enclave
