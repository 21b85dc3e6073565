// Audit log: lines of JSON in files that only grow, each line chained to the one before it.
//
// A line is {"sequence":N,"previous":"H",…}: N counts from 1 through all files, H is the SHA-256 of
// the previous line without its newline, in hexadecimal (of the first: 64 zeros). Files are
// DIR/audit-NNNNNNNNNNNNNNNNNNNN.jsonl, named by the sequence number of their first line. DIR/head
// names the last line that is known to be on the disk, so that an end cut off shows. Whoever may
// write the directory can make another chain from the beginning: keep a copy of the head elsewhere,
// or send the lines away, where that matters.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace casemate::kms {

enum class AuditErrc : std::uint8_t {
    // A line is not what was written: its successor or the head names another.
    changed,
    // The sequence numbers do not follow each other: lines are missing, doubled or in another
    // order.
    out_of_order,
    // The log ends before the head.
    truncated,
    // What is there is no audit log: a line without the chain's fields, a head that is none, a
    // directory or file that is not its owner's alone.
    not_a_log,
    // The entry is no JSON object on one line.
    bad_entry,
    // The directory can't be read or written, another process writes it, or there is no thread to
    // be had.
    unavailable,
};

[[nodiscard]] std::string_view describe(AuditErrc code);

// AuditSync: when lines get to the disk.
enum class AuditSync : std::uint8_t {
    // Before append returns; threads that append at one time share one wait.
    each_line,
    // At least each second, and when the log is closed: a line survives the process's sudden end at
    // once, the machine's after a second.
    each_second,
};

struct AuditOptions {
    std::string directory;
    // A file that has become this long, in bytes, is followed by a new one.
    std::uint64_t file_size = 64ULL << 20U;
    AuditSync sync = AuditSync::each_line;
};

// AuditHead: the last line of a log; sequence 0 for an empty one.
struct AuditHead {
    std::uint64_t sequence = 0;
    // hash is the line's SHA-256 in hexadecimal.
    std::string hash = std::string(64, '0');

    bool operator==(const AuditHead&) const = default;
};

// AuditLog writes a log. All functions may be called from any thread.
class AuditLog {
public:
    // open goes on with the log in a directory, made with mode 0700 at first. The last file's end
    // is verified, and a line that a killed process left half written, which nobody was answered
    // for, is removed. Errors: AuditErrc.
    [[nodiscard]] static Result<std::unique_ptr<AuditLog>> open(const AuditOptions& options);
    virtual ~AuditLog() = default;
    AuditLog(const AuditLog&) = delete;
    AuditLog& operator=(const AuditLog&) = delete;

    // append adds one entry: a JSON object's text with at least one member, without line breaks,
    // at most 1 MiB. Errors: AuditErrc bad_entry; unavailable, ever after when a write has failed.
    [[nodiscard]] virtual Result<> append(std::string_view object) = 0;
    // sync waits until all that was appended is on the disk.
    [[nodiscard]] virtual Result<> sync() = 0;
    // head is the last line appended.
    [[nodiscard]] virtual AuditHead head() const = 0;

protected:
    AuditLog() = default;
};

// AuditReport: what a log that verifies holds.
struct AuditReport {
    std::uint64_t files = 0;
    AuditHead head;
    // Lines after the head: their writer was killed, or is writing now. Bytes of a line that has no
    // end.
    std::uint64_t after_head = 0;
    std::uint64_t unfinished_bytes = 0;
};

// verify_audit reads a whole log and finds any change, removal or reordering; the error says in
// which file and at which line. Errors: AuditErrc changed, out_of_order, truncated, not_a_log,
// unavailable.
[[nodiscard]] Result<AuditReport> verify_audit(const std::string& directory);

}  // namespace casemate::kms
