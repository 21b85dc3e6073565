// The command line, parsed: one plain structure per verb (nitro-cli.md 2, and Casemate's own
// verbs).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attestation/policy.hpp"
#include "cli/error_codes.hpp"
#include "command_line/usage.hpp"

namespace casemate::cli {

// Acceleration: how an enclave gets its CPU (--accel, else CASEMATE_ACCEL, else automatic).
enum class Acceleration : std::uint8_t { automatic, kvm, software };

// WatchArguments: Casemate's own: how an enclave is looked after. What is absent is as it is by
// default (enclave/configuration.hpp).
struct WatchArguments {
    std::optional<std::uint32_t> health_port;
    std::optional<std::uint32_t> health_interval_seconds;
    std::optional<std::uint32_t> health_retries;
    std::optional<std::uint32_t> health_start_seconds;
    // How long init may be silent; 0: for ever.
    std::optional<std::uint32_t> liveness_seconds;
    // A policy that parse_restart takes.
    std::optional<std::string> restart;
    // How long the program has to end.
    std::optional<std::uint32_t> shutdown_seconds;

    bool operator==(const WatchArguments&) const = default;
};

struct RunEnclaveArguments {
    // Exactly one of cpu_ids (not empty) and cpu_count is given.
    std::vector<std::uint32_t> cpu_ids;
    std::optional<std::uint32_t> cpu_count;
    // memory_mib in MiB; 0 must be refused with E26.
    std::uint64_t memory_mib = 0;
    std::string eif_path;
    // enclave_cid: 4 to 2^32-2; 0 was given for "any", of which the user is told; nothing: any.
    std::optional<std::uint64_t> enclave_cid;
    std::optional<std::string> enclave_name;
    // debug_mode is set when attach_console is.
    bool debug_mode = false;
    bool attach_console = false;
    Acceleration acceleration = Acceleration::automatic;
    // Casemate's own: how long the guest has for its heartbeat; 0: nitro-cli's formula (formats.md
    // 3.1).
    std::uint32_t boot_timeout_seconds = 0;
    WatchArguments watch;
    // Stay until the enclave has ended, and exit with its program's status.
    bool wait = false;

    bool operator==(const RunEnclaveArguments&) const = default;
};

// EnclaveSelector: exactly one of both.
struct EnclaveSelector {
    std::optional<std::string> id;
    std::optional<std::string> name;
};

struct TerminateEnclaveArguments {
    // Exactly one of selector and all.
    EnclaveSelector selector;
    bool all = false;
    // Casemate's own: how long the program has to end; nothing: what run-enclave has said.
    std::optional<std::uint32_t> timeout_seconds;
};

struct HealthArguments {
    EnclaveSelector selector;
};

struct DescribeEnclavesArguments {
    bool metadata = false;
    // table: for people, instead of nitro-cli's JSON.
    bool table = false;
};

struct ConsoleArguments {
    EnclaveSelector selector;
    std::optional<std::uint64_t> disconnect_timeout_seconds;
};

struct BuildEnclaveArguments {
    std::string docker_uri;
    std::optional<std::string> docker_dir;
    std::string output_file;
    // Both or none.
    std::optional<std::string> signing_certificate;
    std::optional<std::string> private_key;
    std::optional<std::string> image_name;
    std::optional<std::string> image_version;
    // metadata_file: custom metadata, a JSON file.
    std::optional<std::string> metadata_file;
    // Casemate's own: a kernel file (bzImage, vmlinux or Image), its command line, the first
    // process, and the architecture of it all (x86_64 or aarch64).
    std::optional<std::string> kernel;
    std::optional<std::string> cmdline;
    std::optional<std::string> init;
    std::optional<std::string> architecture;
    // insecure_registries: HOST or HOST:PORT.
    std::vector<std::string> insecure_registries;
    // command, after "--", takes the place of the image's ENTRYPOINT and CMD; empty: the image's
    // own.
    std::vector<std::string> command;
};

struct DescribeEifArguments {
    std::string eif_path;
    // table: for people, instead of nitro-cli's JSON.
    bool table = false;
};

struct ValidateEifArguments {
    std::string eif_path;
    // What run-enclave would be given.
    std::optional<std::uint64_t> memory_mib;
    std::optional<std::uint32_t> cpu_count;
    bool json = false;
};

struct PcrArguments {
    // Exactly one of both.
    std::optional<std::string> input;
    std::optional<std::string> signing_certificate;
};

struct SignEifArguments {
    // eif_path absent must be refused with E01, neither of the others with E60, as nitro-cli does.
    std::optional<std::string> eif_path;
    // Both or none.
    std::optional<std::string> signing_certificate;
    std::optional<std::string> private_key;
};

struct ExplainArguments {
    std::string error_code;
};

struct DoctorArguments {
    bool json = false;
};

struct LogsArguments {
    // An ended enclave's id or name will do too; of several with one name, the last.
    EnclaveSelector selector;
    bool follow = false;
    // The last lines of the log and of the console.
    std::optional<std::uint32_t> tail;
};

struct PsArguments {
    bool all = false;
    bool json = false;
};

struct VsockConnectArguments {
    std::uint32_t cid = 0;
    std::uint32_t port = 0;
};

struct VsockListenArguments {
    std::uint32_t port = 0;
};

struct VerifyArguments {
    // document: a path, or "-" for standard input.
    std::string document;
    // roots: files with trusted root certificates in PEM, one or more.
    std::vector<std::string> roots;
    std::optional<Bytes> nonce;
    // Each of these has to hold: the image's registers, a JSON file's, and pcrs, the values that
    // will do for a register.
    std::optional<std::string> eif_path;
    std::optional<std::string> pcrs_path;
    attestation::ExpectedPcrs::Alternative pcrs;
    // at: the time of the verification; nothing: now.
    std::optional<attestation::Time> at;
    bool at_document_time = false;
    std::optional<std::chrono::seconds> max_age;
    // allow_isolation: beside those that are always good enough.
    std::set<attestation::Isolation> allow_isolation;
    // require_isolation: this one and no other; allow_isolation is empty then.
    std::optional<attestation::Isolation> require_isolation;
    bool allow_debug = false;
    bool json = false;
    bool explain = false;
    // Files to write the verified document's fields to.
    std::optional<std::string> write_public_key;
    std::optional<std::string> write_user_data;
};

// AuthorityArguments: one of the actions; what does not belong to it is empty.
enum class AuthorityAction : std::uint8_t { init, show, export_root, status, rotate };

struct AuthorityArguments {
    AuthorityAction action = AuthorityAction::show;
    // init and rotate: keys in tokens, as PKCS #11 URIs.
    std::string root_key;
    std::string region_key;
    // export-root: a file instead of standard output.
    std::optional<std::string> output_file;
    // status.
    bool json = false;
    // rotate: the root as well.
    bool root = false;
};

struct CompletionArguments {
    // shell: bash or zsh.
    std::string shell;
};

using Invocation =
    std::variant<RunEnclaveArguments, TerminateEnclaveArguments, DescribeEnclavesArguments,
                 ConsoleArguments, BuildEnclaveArguments, DescribeEifArguments,
                 ValidateEifArguments, PcrArguments, SignEifArguments, ExplainArguments,
                 DoctorArguments, LogsArguments, PsArguments, HealthArguments,
                 VsockConnectArguments, VsockListenArguments, VerifyArguments, AuthorityArguments,
                 CompletionArguments>;

using UsageEnd = command_line::End;

using Parsed = std::variant<Invocation, UsageEnd, CommandError>;

// parse reads a command line; arguments[0] is the program's name, which decides whether it presents
// itself as nitro-cli. A file given with --config is read (E17, E19, E01, E02). acceleration is
// what CASEMATE_ACCEL says, for where --accel says nothing; empty means automatic.
[[nodiscard]] Parsed parse(const std::vector<std::string>& arguments,
                           std::string_view acceleration = {});

// describe_command_line gives all of it as data; program: "casemate" or "nitro-cli".
[[nodiscard]] command_line::Command describe_command_line(std::string_view program);

}  // namespace casemate::cli
