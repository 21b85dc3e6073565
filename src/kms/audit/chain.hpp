// The chain of an audit log: its lines, its head and its files' names, as writer and verifier know
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "kms/audit/audit_log.hpp"

namespace casemate::kms::audit {

inline constexpr std::size_t kMaxEntry = std::size_t{1} << 20U;
inline constexpr std::string_view kHeadFile = "head";

// hash_of is the SHA-256 of a line without its newline, in hexadecimal.
[[nodiscard]] std::string hash_of(std::string_view line);

// chained makes the line, with its newline, that follows previous: entry is a JSON object with at
// least one member.
[[nodiscard]] std::string chained(const AuditHead& previous, std::string_view entry);

// Link: what a line says about its place in the chain.
struct Link {
    std::uint64_t sequence = 0;
    std::string previous;
};
// read_link reads a line's first two members, exactly as chained writes them.
[[nodiscard]] std::optional<Link> read_link(std::string_view line);

// follow checks that a line follows previous, which becomes that line. where is for the sentence.
// Errors: AuditErrc not_a_log, out_of_order, changed.
[[nodiscard]] Result<> follow(AuditHead& previous, std::string_view line, const std::string& where);

// The head's file: "SEQUENCE HASH\n", the number of 20 digits.
[[nodiscard]] std::string write_head(const AuditHead& head);
[[nodiscard]] std::optional<AuditHead> read_head(std::string_view text);

// file_name names the file whose first line is sequence; first_of reads such a name.
[[nodiscard]] std::string file_name(std::uint64_t sequence);
[[nodiscard]] std::optional<std::uint64_t> first_of(std::string_view name);

// files lists a log's files by their first line. Errors: AuditErrc unavailable.
[[nodiscard]] Result<std::vector<std::uint64_t>> files(int directory);

// Lines reads a file line by line.
class Lines {
public:
    explicit Lines(int fd) : fd_(fd) {}

    // next gives the next line that has an end, without it; nothing at the file's end. It is valid
    // until the next call. Errors: AuditErrc not_a_log for a line longer than any; unavailable.
    [[nodiscard]] Result<std::optional<std::string_view>> next();
    // unfinished is the number of bytes after the last line's end; after next gave nothing.
    [[nodiscard]] std::uint64_t unfinished() const { return text_.size() - start_; }
    // offset is where the next line begins, in bytes.
    [[nodiscard]] std::uint64_t offset() const { return offset_; }

private:
    int fd_;
    std::string text_;
    std::size_t start_ = 0;
    std::uint64_t offset_ = 0;
};

}  // namespace casemate::kms::audit
