// Lifecycle: what init says on its stream (CID 0, port 9001), and how an enclave's end is judged
// from all that was seen of it. Pure: no descriptors here.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/process.hpp"
#include "base/result.hpp"
#include "enclave/errors.hpp"
#include "enclave/record.hpp"
#include "machine/control.hpp"

namespace casemate::enclave {

// The stream's lines, each ended by a line feed:
//     casemate-init N          first; from 2 on it says `alive` every five seconds
//     alive
//     exited status N | exited signal N | failed SENTENCE     at most once, last
// and the other way `shutdown SECONDS`.
struct InitHello {
    // It says `alive` from now on.
    bool beats = false;
    bool operator==(const InitHello&) const = default;
};
struct InitAlive {
    bool operator==(const InitAlive&) const = default;
};
struct InitExited {
    int status = 0;
    bool operator==(const InitExited&) const = default;
};
struct InitSignalled {
    int signal = 0;
    bool operator==(const InitSignalled&) const = default;
};
struct InitFailed {
    std::string sentence;
    bool operator==(const InitFailed&) const = default;
};
using InitLine = std::variant<InitHello, InitAlive, InitExited, InitSignalled, InitFailed>;

// The longest line, in bytes, line feed included.
inline constexpr std::size_t kMaxInitLine = 1024;

// InitLines cuts the guest's bytes into lines. After anything that is not one of the lines, or
// comes in the wrong order, the stream says nothing more: the guest is not trusted to mean it.
class InitLines {
public:
    // feed gives the lines that are complete now.
    [[nodiscard]] std::vector<InitLine> feed(ByteView bytes);
    [[nodiscard]] bool broken() const { return broken_; }

private:
    [[nodiscard]] bool accept(const InitLine& line);

    std::string rest_;
    bool greeted_ = false;
    bool reported_ = false;
    bool broken_ = false;
};

// printable replaces what could drive a terminal: everything but printable ASCII becomes '?'. At
// most limit characters stay.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit);

// The security module's program, as its process is named and its lines begin.
inline constexpr std::string_view kModuleProgram = "casemate-nsm";

// EndedProcess: a process of the enclave that ended before anybody ended it.
struct EndedProcess {
    std::string name;
    ExitStatus status;
};

// Evidence: all that was seen of an enclave's end, in no order: the kernel does not tell which of
// two processes died first.
struct Evidence {
    // Why the enclave was never started.
    std::string start_failure;
    // Who asked for the end: "terminate-enclave", "SIGTERM", …
    std::string terminated_by;
    // The supervisor ended it because it was not healthy: why.
    std::string unhealthy;
    // How long the program was given to end, when init was asked to end it; and how long after that
    // init reported its end.
    std::optional<std::chrono::milliseconds> allowed;
    std::optional<std::chrono::milliseconds> report_after;
    std::string heartbeat_failure;
    bool heartbeat_timed_out = false;
    std::optional<InitLine> report;
    std::string panic_line;
    std::optional<machine::Exited> machine_exit;
    std::vector<EndedProcess> processes;
    // The last line that the security module printed, which has its name before it, and that any
    // other process did: all print into one log.
    std::string module_last_words;
    std::string last_words;
    // The control socket broke: how.
    std::string control_failure;
};

// code_of_exit gives run-enclave's code for a machine that ended before its heartbeat.
[[nodiscard]] EnclaveErrc code_of_exit(machine::ExitReason reason);

// conclude names the cause that explains the rest: a killed process before what its death led to,
// init's own report before the reset that follows it.
[[nodiscard]] End conclude(const Evidence& evidence);

}  // namespace casemate::enclave
