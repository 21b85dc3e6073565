// The command line of casemate-kms, parsed: one plain structure per command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "kms/audit/audit_log.hpp"
#include "kms/cli/places.hpp"

namespace casemate::kms::cli {

// DataArguments: which service a command is about.
struct DataArguments {
    // data: the directory; never empty.
    std::string data;
    // store: a directory or a postgresql:// URL; empty: data.
    std::string store;
    // How the root keys are protected: at most one of both. Both empty: not at all, or by a
    // passphrase that is asked for.
    std::string passphrase_file;
    std::string root_key_token;
};

struct ServeArguments {
    DataArguments data;
    std::vector<std::string> listen;
    std::vector<std::string> metrics_listen;
    std::string region = "us-east-1";
    // tls_certificate and tls_key: both or none.
    std::string tls_certificate;
    std::string tls_key;
    std::vector<std::string> tls_names;
    std::vector<std::string> attestation_roots;
    std::vector<std::string> allow_isolation;
    bool allow_debug = false;
    // Times are in seconds.
    std::uint32_t max_document_age = 300;
    std::uint32_t threads = 0;
    std::uint32_t max_connections = 4096;
    std::uint32_t max_connections_per_address = 1024;
    std::uint32_t max_body_bytes = 1U << 20U;
    std::uint32_t max_header_bytes = 32768;
    std::uint32_t request_timeout = 30;
    std::uint32_t idle_timeout = 75;
    std::uint32_t requests_per_second = 0;
    std::uint32_t burst = 0;
    std::uint32_t store_connections = 16;
    std::string audit_directory;
    AuditSync audit_sync = AuditSync::each_line;
    std::string access_log;
    std::uint32_t grace = 30;
    // ready_fd: -1 for none.
    int ready_fd = -1;
};

struct UserAddArguments {
    DataArguments data;
    std::string name;
    // Exactly one of both: an ARN, or the account in which the user is.
    std::string arn;
    std::string account;
    // policy: a file; own policy instead of the default; no_policy: none.
    std::string policy;
    bool no_policy = false;
};
struct UserListArguments {
    DataArguments data;
    bool json = false;
};
struct UserRemoveArguments {
    DataArguments data;
    // name, or an access key's id.
    std::string name;
};
struct UserSessionArguments {
    enum class Format : std::uint8_t { sts, process, env };
    DataArguments data;
    // name, or an access key's id.
    std::string name;
    // session_name of a role's session; empty: the user's name.
    std::string session_name;
    // duration in seconds.
    std::uint32_t duration = 3600;
    // policy: a file; what the session may do of what the user may; empty: all.
    std::string policy;
    Format format = Format::sts;
};
struct UserPolicyArguments {
    DataArguments data;
    std::string name;
    // Neither: the policy is printed.
    std::string policy;
    bool no_policy = false;
};

struct ExportCaArguments {
    std::string data;
};

struct PolicyCheckArguments {
    std::string file;
    // identity: the policy is a caller's own, not a key's.
    bool identity = false;
};
struct PolicyExplainArguments {
    // data: its directory is empty where nothing of a service is needed.
    DataArguments data;
    std::string region = "us-east-1";
    // Exactly one of both, but for operations on no key: a key id, ARN or alias of the store; a key
    // policy's file.
    std::string key;
    std::string key_policy;
    // caller: an ARN, or a user's name of the store.
    std::string caller;
    // caller_policy: a file with the caller's own policy; empty: the user's of the store, or none.
    std::string caller_policy;
    std::string operation;
    // context: condition keys; encryption_context: pairs of the encryption context.
    std::vector<std::pair<std::string, std::string>> context;
    std::vector<std::pair<std::string, std::string>> encryption_context;
    std::string source_address;
    // document: an attestation document's file, verified as the service does; pcrs: registers that
    // are taken for true: number and hexadecimal value.
    std::string document;
    std::vector<std::pair<std::uint32_t, std::string>> pcrs;
    std::vector<std::string> attestation_roots;
    std::vector<std::string> allow_isolation;
    bool allow_debug = false;
};

struct RootKeyStatusArguments {
    DataArguments data;
    bool json = false;
};
struct RootKeyRotateArguments {
    DataArguments data;
    // only_rewrap goes on with a rotation that was interrupted.
    bool only_rewrap = false;
    // wait: seconds between the new root key and the first wrapping, in which services that run
    // find it and finish what they have wrapped under the old one.
    std::uint32_t wait = 15;
};
struct RootKeyProtectArguments {
    DataArguments data;
    // One of them: by what the root keys are protected from now on.
    bool new_passphrase = false;
    std::string new_passphrase_file;
    std::string new_token;
    bool none = false;
};

struct AuditArguments {
    enum class Action : std::uint8_t { verify, head };
    Action action = Action::verify;
    std::string data;
    // directory of the log; empty: data/audit.
    std::string directory;
    // expected: a head that was kept elsewhere: "SEQUENCE:HASH".
    std::string expected;
    bool json = false;
};

struct BackupArguments {
    DataArguments data;
    std::string file;
    // backup_passphrase_file: of the backup's own passphrase; empty: it is asked for.
    std::string backup_passphrase_file;
    // restore: from the file, into an empty store.
    bool restore = false;
};

struct StatusArguments {
    DataArguments data;
    bool json = false;
};

struct CompletionArguments {
    // shell: bash or zsh.
    std::string shell;
};

using Invocation =
    std::variant<ServeArguments, UserAddArguments, UserListArguments, UserRemoveArguments,
                 UserPolicyArguments, UserSessionArguments, ExportCaArguments, PolicyCheckArguments,
                 PolicyExplainArguments, RootKeyStatusArguments, RootKeyRotateArguments,
                 RootKeyProtectArguments, AuditArguments, BackupArguments, StatusArguments,
                 CompletionArguments>;

// UsageEnd: there is nothing to run. Help and version go to standard output with status 0, errors
// to standard error with status 2.
struct UsageEnd {
    int status = 0;
    std::string standard_output;
    std::string standard_error;
};

// parse reads a command line; arguments[0] is the program's name. Options that are not on it are
// taken from a configuration file: --config FILE, else places.configuration where that is there.
[[nodiscard]] std::variant<Invocation, UsageEnd> parse(const std::vector<std::string>& arguments,
                                                       const Places& places);

// completion_script completes command lines in a shell, bash or zsh.
[[nodiscard]] std::string completion_script(const std::string& shell);

}  // namespace casemate::kms::cli
