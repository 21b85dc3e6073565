// EnclaveRecord: what is known of one enclave, while it runs and after it has ended. It is the
// content of STATE/enclaves/ID/record.json and RUNTIME/enclaves/ID/state.json, and the supervisor's
// answer to `describe`.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "enclave/health.hpp"

namespace casemate::enclave {

// EnclaveState: the first three are nitro-cli's (describe-enclaves).
enum class EnclaveState { empty, running, terminating, ended };

[[nodiscard]] std::string_view name_of(EnclaveState state);

// EndKind: why an enclave is no more.
enum class EndKind {
    // Its program exited, or was killed inside the guest by a signal.
    exited,
    killed_inside,
    // init could not start the program.
    init_failed,
    guest_panic,
    // The guest reset or shut down without saying why (AWS's init never says).
    guest_reset,
    // Somebody asked for it.
    terminated,
    heartbeat_timeout,
    // A process of the enclave was killed, or ended on its own.
    process_ended,
    // It was not healthy, and was ended for that.
    unhealthy,
    // The VMM could not run the machine.
    machine_failed,
    // It was refused before it ran.
    start_failed,
    supervisor_killed,
};

[[nodiscard]] std::string_view name_of(EndKind kind);

// End: how an enclave ended. reason is a sentence for people.
struct End {
    EndKind kind = EndKind::terminated;
    std::string reason;
    // What the enclave's program ended with, when init reported it.
    std::optional<int> exit_status;
    std::optional<int> signal;

    bool operator==(const End&) const = default;
};

// ChildProcess: a process of an enclave. start_ticks (proc(5), stat field 22) tells it from a later
// process that got the same number.
struct ChildProcess {
    std::string name;
    pid_t pid = 0;
    std::uint64_t start_ticks = 0;

    bool operator==(const ChildProcess&) const = default;
};

struct EnclaveRecord {
    std::string id;
    std::string name;
    pid_t supervisor = 0;
    uid_t owner = 0;
    std::uint32_t cid = 0;
    std::vector<std::uint32_t> cpu_ids;
    std::uint64_t memory_mib = 0;
    bool debug = false;
    std::string image_path;
    // "kvm" or "software"; empty before that is chosen.
    std::string acceleration;
    EnclaveState state = EnclaveState::empty;
    // Milliseconds since 1970; 0: not yet.
    std::int64_t created_ms = 0;
    std::int64_t started_ms = 0;
    std::int64_t ended_ms = 0;
    // The image's registers in hex, by number.
    std::map<std::uint16_t, std::string> measurements;
    // The registers that attestation documents begin with: in debug mode the image's are zero.
    std::map<std::uint16_t, std::string> attested;
    // The image's metadata section, a JSON object, or empty.
    std::string image_metadata;
    std::vector<ChildProcess> children;
    std::optional<End> end;
    // How it is and, when that is not well, why.
    HealthState health = HealthState::starting;
    std::string health_reason;
    // The port that is tried for it; 0: none.
    std::uint32_t health_port = 0;
    // The policy (restart.hpp), how often it has been started again, and its last end before that.
    std::string restart = "no";
    std::uint64_t restarts = 0;
    std::optional<End> last_end;
    // How long its program has to end when that is asked for.
    std::uint64_t shutdown_ms = 0;

    bool operator==(const EnclaveRecord&) const = default;
};

// The longest record, in bytes of JSON: the metadata section is the only part of free length.
inline constexpr std::size_t kMaxRecordSize = std::size_t{4} << 20U;

// to_json writes one line without a line feed.
[[nodiscard]] std::string to_json(const EnclaveRecord& record);
// parse_record refuses what to_json does not write: EnclaveErrc::json.
[[nodiscard]] Result<EnclaveRecord> parse_record(std::string_view json);

// presentable_metadata gives an image's metadata section as a record carries it: empty unless it is
// the JSON that it has to be, since a record with anything else could not be read again.
[[nodiscard]] std::string presentable_metadata(ByteView section);

// now_ms: the wall clock, in milliseconds since 1970.
[[nodiscard]] std::int64_t now_ms();
// timestamp writes "2026-11-21T10:08:11.123Z".
[[nodiscard]] std::string timestamp(std::int64_t milliseconds);
// process_start_ticks gives nothing when there is no such process.
[[nodiscard]] std::optional<std::uint64_t> process_start_ticks(pid_t pid);

}  // namespace casemate::enclave
