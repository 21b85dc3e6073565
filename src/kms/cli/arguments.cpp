#include "kms/cli/arguments.hpp"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "command_line/cli11.hpp"
#include "command_line/completion.hpp"
#include "kms/cli/configuration.hpp"
#include "kms/core/session.hpp"

namespace casemate::kms::cli {

namespace {

using command_line::expects;
using command_line::Expects;

constexpr int kUsageStatus = 2;
constexpr std::uint32_t kDay = 86400;

UsageEnd usage_error(const std::string& sentence) {
    return {kUsageStatus, {}, "error: " + sentence + "\n\nFor more information, try '--help'.\n"};
}

// Command: a subcommand, and what it becomes once its options have been parsed.
struct Command {
    CLI::App* app = nullptr;
    std::function<Invocation()> read;
    // data: where its data directory is; nullptr: it needs none.
    const std::string* data = nullptr;
};

// Root: all of the command line, and what its options are read into.
struct Root {
    CLI::App app{"Key management for enclaves: keys that only the measured code can use",
                 "casemate-kms"};
    std::string configuration;
    std::vector<Command> commands;
    CLI::App* serve = nullptr;
};

// one_each makes a list option take one value each time it is given.
CLI::Option* one_each(CLI::Option* option) {
    return option->allow_extra_args(false);
}

void add_store_options(CLI::App& app, DataArguments& out) {
    expects(app.add_option("--data", out.data,
                           "Directory of the service: root keys, certificates, logs"),
            Expects::folder);
    app.add_option("--store", out.store,
                   "postgresql:// URL, or another directory for the keys; none: in --data");
    auto* passphrase = expects(app.add_option("--passphrase-file", out.passphrase_file,
                                              "File with the passphrase of the root keys"),
                               Expects::file)
                           ->envname("CASEMATE_KMS_PASSPHRASE_FILE");
    app.add_option("--root-key-token", out.root_key_token,
                   "PKCS #11 URI of the token's key that protects the root keys")
        ->envname("CASEMATE_KMS_ROOT_KEY_TOKEN")
        ->excludes(passphrase);
}

std::shared_ptr<std::string> add_output_option(CLI::App& app) {
    auto format = std::make_shared<std::string>("text");
    app.add_option("--output", *format, "text or json")
        ->check(CLI::IsMember(std::set<std::string>{"text", "json"}));
    return format;
}

void add_trust_options(CLI::App& app, std::vector<std::string>& roots,
                       std::vector<std::string>& isolation, bool& debug) {
    one_each(expects(
        app.add_option("--attestation-root", roots,
                       "PEM file of roots that attestation documents may end in; none: this "
                       "machine's authority; may be given again"),
        Expects::file));
    one_each(app.add_option("--allow-isolation", isolation,
                            "software: accept enclaves of the software host too"))
        ->check(CLI::IsMember(std::set<std::string>{"software", "kvm", "nitro"}));
    app.add_flag("--allow-debug", debug, "Accept enclaves in debug mode too");
}

void add_listen_options(CLI::App& app, ServeArguments& out) {
    one_each(app.add_option("--listen", out.listen,
                            "HOST:PORT, unix:PATH or vsock:PORT, with TLS; http:127.0.0.1:PORT "
                            "without; may be given again"));
    one_each(app.add_option("--metrics-listen", out.metrics_listen,
                            "Another address, for GET /metrics and /health only"));
    auto* certificate = expects(
        app.add_option("--tls-certificate", out.tls_certificate, "Certificate chain in PEM"),
        Expects::file);
    auto* key =
        expects(app.add_option("--tls-key", out.tls_key, "Its private key in PEM"), Expects::file);
    certificate->needs(key);
    key->needs(certificate);
    one_each(app.add_option("--tls-name", out.tls_names,
                            "Name or address beside the usual ones in the service's own "
                            "certificate; may be given again"));
}

void add_limit_options(CLI::App& app, ServeArguments& out) {
    constexpr std::uint32_t kMostConnections = 1000000;
    constexpr std::uint32_t kMostBody = 16U << 20U;
    app.add_option("--threads", out.threads, "Threads that serve; 0: by the processors")
        ->check(CLI::Range(0U, 1024U));
    app.add_option("--max-connections", out.max_connections, "Connections at one time")
        ->check(CLI::Range(1U, kMostConnections));
    app.add_option("--max-connections-per-address", out.max_connections_per_address,
                   "Connections of one address at one time")
        ->check(CLI::Range(1U, kMostConnections));
    app.add_option("--max-body-bytes", out.max_body_bytes, "Bytes of a request's body")
        ->check(CLI::Range(1024U, kMostBody));
    app.add_option("--max-header-bytes", out.max_header_bytes, "Bytes of a request's headers")
        ->check(CLI::Range(1024U, 1U << 20U));
    app.add_option("--request-timeout", out.request_timeout, "Seconds for a request to arrive")
        ->check(CLI::Range(1U, kDay));
    app.add_option("--idle-timeout", out.idle_timeout, "Seconds between a connection's requests")
        ->check(CLI::Range(1U, kDay));
    app.add_option("--requests-per-second", out.requests_per_second,
                   "Requests of one access key; 0: any number")
        ->check(CLI::Range(0U, 1000000U));
    app.add_option("--burst", out.burst, "Of these so many at once; 0: a second's")
        ->check(CLI::Range(0U, 1000000U));
    app.add_option("--store-connections", out.store_connections, "Connections to the store")
        ->check(CLI::Range(1U, 1024U));
    app.add_option("--grace", out.grace, "Seconds for requests to finish at the end")
        ->check(CLI::Range(0U, kDay));
}

void add_serve(Root& root) {
    auto* app = root.app.add_subcommand("serve", "Runs the service");
    const auto out = std::make_shared<ServeArguments>();
    add_store_options(*app, out->data);
    add_listen_options(*app, *out);
    app->add_option("--region", out->region, "Region in keys' ARNs and signatures");
    add_trust_options(*app, out->attestation_roots, out->allow_isolation, out->allow_debug);
    app->add_option("--max-document-age", out->max_document_age,
                    "Seconds that an attestation document counts")
        ->check(CLI::Range(1U, kDay));
    add_limit_options(*app, *out);
    expects(app->add_option("--audit-directory", out->audit_directory,
                            "Directory of the audit log; none: audit in --data"),
            Expects::folder);
    const auto sync = std::make_shared<std::string>("each-line");
    app->add_option("--audit-sync", *sync, "each-line: on the disk before the answer; each-second")
        ->check(CLI::IsMember(std::set<std::string>{"each-line", "each-second"}));
    expects(
        app->add_option("--access-log", out->access_log,
                        "File for a line of JSON a request; none: no log; default: standard error"),
        Expects::file);
    app->add_option("--ready-fd", out->ready_fd,
                    "Descriptor that gets a line and is closed once the service listens")
        ->check(CLI::Range(0, 1 << 20));
    root.serve = app;
    root.commands.push_back({app,
                             [out, sync]() -> Invocation {
                                 out->audit_sync = *sync == "each-line" ? AuditSync::each_line
                                                                        : AuditSync::each_second;
                                 return *out;
                             },
                             &out->data.data});
}

void add_policy_options(CLI::App& app, std::string& file, bool& none) {
    auto* policy = expects(
        app.add_option("--policy", file, "JSON file with the caller's own policy"), Expects::file);
    app.add_flag("--no-policy", none, "No policy of its own: key policies alone decide")
        ->excludes(policy);
}

void add_user_add(Root& root, CLI::App& user) {
    auto* app = user.add_subcommand("add", "Makes a caller with an access key and prints it");
    const auto out = std::make_shared<UserAddArguments>();
    app->add_option("NAME", out->name, "Name of the caller")->required();
    auto* arn = app->add_option("--arn", out->arn,
                                "ARN: arn:aws:iam::ACCOUNT:user/NAME, …:role/NAME, …:root, or "
                                "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION");
    app->add_option("--account", out->account, "Account: the ARN is then user/NAME in it")
        ->excludes(arn);
    add_policy_options(*app, out->policy, out->no_policy);
    add_store_options(*app, out->data);
    root.commands.push_back({app, [out]() -> Invocation { return *out; }, &out->data.data});
}

void add_user_session(Root& root, CLI::App& user) {
    auto* app = user.add_subcommand("session", "Makes temporary credentials of a caller");
    const auto out = std::make_shared<UserSessionArguments>();
    app->add_option("NAME", out->name, "Name, or access key id")->required();
    app->add_option("--session-name", out->session_name,
                    "Name of a role's session, in its ARN; none: the caller's name");
    app->add_option("--duration", out->duration, "Seconds until the credentials end")
        ->check(CLI::Range(static_cast<std::uint32_t>(kMinSession.count()),
                           static_cast<std::uint32_t>(kMaxSession.count())));
    expects(app->add_option("--policy", out->policy,
                            "JSON file with a policy that narrows what the session may do"),
            Expects::file);
    using Format = UserSessionArguments::Format;
    app->add_option("--format", out->format,
                    "sts: JSON as STS answers; process: as credential_process of AWS's SDKs; env: "
                    "lines for a shell")
        ->transform(CLI::Transformer(std::map<std::string, Format>{
            {"sts", Format::sts}, {"process", Format::process}, {"env", Format::env}}));
    add_store_options(*app, out->data);
    root.commands.push_back({app, [out]() -> Invocation { return *out; }, &out->data.data});
}

void add_user(Root& root) {
    auto* user = root.app.add_subcommand("user", "Looks after the callers and their access keys");
    user->require_subcommand(1);
    add_user_add(root, *user);
    add_user_session(root, *user);
    auto* list = user->add_subcommand("list", "Lists the callers, without their secrets");
    const auto listed = std::make_shared<UserListArguments>();
    add_store_options(*list, listed->data);
    const auto format = add_output_option(*list);
    root.commands.push_back({list,
                             [listed, format]() -> Invocation {
                                 listed->json = *format == "json";
                                 return *listed;
                             },
                             &listed->data.data});
    auto* remove = user->add_subcommand("remove", "Takes a caller's access key away, at once");
    const auto removed = std::make_shared<UserRemoveArguments>();
    remove->add_option("NAME", removed->name, "Name, or access key id")->required();
    add_store_options(*remove, removed->data);
    root.commands.push_back(
        {remove, [removed]() -> Invocation { return *removed; }, &removed->data.data});
    auto* policy = user->add_subcommand("policy", "Shows or changes a caller's own policy");
    const auto changed = std::make_shared<UserPolicyArguments>();
    policy->add_option("NAME", changed->name, "Name, or access key id")->required();
    add_policy_options(*policy, changed->policy, changed->no_policy);
    add_store_options(*policy, changed->data);
    root.commands.push_back(
        {policy, [changed]() -> Invocation { return *changed; }, &changed->data.data});
}

// pair_of reads NAME=VALUE.
std::pair<std::string, std::string> pair_of(const std::string& text) {
    const std::size_t equals = text.find('=');
    return {text.substr(0, equals), text.substr(equals + 1)};
}

std::string check_pair(const std::string& text) {
    const std::size_t equals = text.find('=');
    return equals == std::string::npos || equals == 0 ? "expected NAME=VALUE" : "";
}

std::string check_pcr(const std::string& text) {
    constexpr std::size_t kDigits = 96;
    const auto [name, value] = pair_of(text);
    const bool number = !name.empty() && name.size() <= 2 &&
                        name.find_first_not_of("0123456789") == std::string::npos;
    const bool digits = value.size() == kDigits &&
                        value.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
    return number && std::stoul(name) < 32 && digits
               ? ""
               : "expected N=HEX with N of 0 to 31 and 96 hexadecimal digits";
}

// ExplainOptions: policy explain's pairs as text.
struct ExplainOptions {
    PolicyExplainArguments out;
    std::vector<std::string> context;
    std::vector<std::string> encryption_context;
    std::vector<std::string> pcrs;

    [[nodiscard]] Invocation read() const {
        PolicyExplainArguments made = out;
        for (const std::string& text : context) {
            made.context.push_back(pair_of(text));
        }
        for (const std::string& text : encryption_context) {
            made.encryption_context.push_back(pair_of(text));
        }
        for (const std::string& text : pcrs) {
            const auto [name, value] = pair_of(text);
            made.pcrs.emplace_back(static_cast<std::uint32_t>(std::stoul(name)), value);
        }
        return made;
    }
};

void add_policy_explain(Root& root, CLI::App& policy) {
    auto* app = policy.add_subcommand("explain", "Tells which statement decides a request");
    const auto out = std::make_shared<ExplainOptions>();
    PolicyExplainArguments& to = out->out;
    auto* key = app->add_option("--key", to.key, "Key of the store: id, ARN or alias");
    expects(app->add_option("--key-policy", to.key_policy, "JSON file with a key's policy"),
            Expects::file)
        ->excludes(key);
    app->add_option("--caller", to.caller, "ARN, or the name of a caller of the store")->required();
    expects(app->add_option("--caller-policy", to.caller_policy,
                            "JSON file with the caller's own policy"),
            Expects::file);
    app->add_option("--operation", to.operation, "Decrypt, CreateKey, …")->required();
    one_each(app->add_option("--context", out->context,
                             "Condition key and its value, NAME=VALUE; may be given again"))
        ->check(check_pair);
    one_each(app->add_option("--encryption-context", out->encryption_context,
                             "Pair of the encryption context, NAME=VALUE; may be given again"))
        ->check(check_pair);
    app->add_option("--source-address", to.source_address, "Address that the request comes from");
    auto* document = expects(app->add_option("--attestation-document", to.document,
                                             "File with the Recipient's attestation document"),
                             Expects::file);
    one_each(app->add_option("--pcr", out->pcrs,
                             "Register that the Recipient's document is taken to have, N=HEX"))
        ->check(check_pcr)
        ->excludes(document);
    add_trust_options(*app, to.attestation_roots, to.allow_isolation, to.allow_debug);
    app->add_option("--region", to.region, "Region of the service");
    add_store_options(*app, to.data);
    app->footer("Exit status: 0 allowed; 1 denied; 2 wrong command line; 3 something failed.");
    root.commands.push_back({app, [out] { return out->read(); }, nullptr});
}

void add_policy(Root& root) {
    auto* policy = root.app.add_subcommand("policy", "Explains and checks policies");
    policy->require_subcommand(1);
    add_policy_explain(root, *policy);
    auto* app = policy->add_subcommand("check", "Tells whether a policy is well-formed");
    const auto out = std::make_shared<PolicyCheckArguments>();
    expects(app->add_option("FILE", out->file, "JSON file"), Expects::file)->required();
    app->add_flag("--identity", out->identity, "A caller's own policy, not a key's");
    root.commands.push_back({app, [out]() -> Invocation { return *out; }, nullptr});
}

void add_root_key(Root& root) {
    auto* key = root.app.add_subcommand("root-key", "Looks after the root keys");
    key->require_subcommand(1);
    auto* status = key->add_subcommand("status", "Lists the root keys' ids");
    const auto shown = std::make_shared<RootKeyStatusArguments>();
    add_store_options(*status, shown->data);
    const auto format = add_output_option(*status);
    root.commands.push_back({status,
                             [shown, format]() -> Invocation {
                                 shown->json = *format == "json";
                                 return *shown;
                             },
                             &shown->data.data});
    auto* rotate = key->add_subcommand(
        "rotate", "Makes a new root key, wraps every secret under it and forgets the old");
    const auto rotated = std::make_shared<RootKeyRotateArguments>();
    rotate->add_flag("--only-rewrap", rotated->only_rewrap,
                     "Make none: go on where a rotation was interrupted");
    rotate
        ->add_option("--wait", rotated->wait,
                     "Seconds in which services that run find the new root key, before anything is "
                     "wrapped under it; 0 only where none runs")
        ->check(CLI::Range(0U, kDay));
    add_store_options(*rotate, rotated->data);
    root.commands.push_back(
        {rotate, [rotated]() -> Invocation { return *rotated; }, &rotated->data.data});
    auto* protect = key->add_subcommand("protect", "Changes what protects the root keys");
    const auto out = std::make_shared<RootKeyProtectArguments>();
    auto* how = protect->add_option_group("how", "By what they are protected from now on");
    how->add_flag("--new-passphrase", out->new_passphrase, "A passphrase, which is asked for");
    expects(how->add_option("--new-passphrase-file", out->new_passphrase_file,
                            "A passphrase in a file"),
            Expects::file);
    how->add_option("--new-token", out->new_token, "A token's key, by its PKCS #11 URI");
    how->add_flag("--none", out->none, "Nothing but the file's mode");
    how->require_option(1);
    add_store_options(*protect, out->data);
    root.commands.push_back({protect, [out]() -> Invocation { return *out; }, &out->data.data});
}

void add_audit(Root& root) {
    auto* audit = root.app.add_subcommand("audit", "Verifies the audit log");
    audit->require_subcommand(1);
    for (const auto& [action, name, description] :
         {std::tuple(AuditArguments::Action::verify, "verify",
                     "Reads the whole log and finds any change, removal or reordering"),
          std::tuple(AuditArguments::Action::head, "head",
                     "Prints the last line's number and hash, to be kept elsewhere")}) {
        auto* app = audit->add_subcommand(name, description);
        const auto out = std::make_shared<AuditArguments>();
        out->action = action;
        expects(app->add_option("--data", out->data, "Directory of the service"), Expects::folder);
        expects(app->add_option("--audit-directory", out->directory,
                                "Directory of the log; none: audit in --data"),
                Expects::folder);
        if (action == AuditArguments::Action::verify) {
            app->add_option("--head", out->expected,
                            "SEQUENCE:HASH, a head that was kept: the log must go on from it");
        }
        const auto format = add_output_option(*app);
        root.commands.push_back({app,
                                 [out, format]() -> Invocation {
                                     out->json = *format == "json";
                                     return *out;
                                 },
                                 nullptr});
    }
}

void add_backup(Root& root) {
    for (const auto& [restore, name, description] :
         {std::tuple(false, "backup", "Writes everything, secrets included, into a sealed file"),
          std::tuple(true, "restore", "Reads such a file into an empty store")}) {
        auto* app = root.app.add_subcommand(name, description);
        const auto out = std::make_shared<BackupArguments>();
        out->restore = restore;
        expects(app->add_option("FILE", out->file, "The backup"), Expects::file)->required();
        expects(app->add_option("--backup-passphrase-file", out->backup_passphrase_file,
                                "File with the backup's own passphrase; none: it is asked for"),
                Expects::file);
        add_store_options(*app, out->data);
        root.commands.push_back({app, [out]() -> Invocation { return *out; }, &out->data.data});
    }
}

void add_others(Root& root) {
    auto* ca = root.app.add_subcommand("export-ca",
                                       "Prints the certificate that clients have to trust, in PEM");
    const auto exported = std::make_shared<ExportCaArguments>();
    expects(ca->add_option("--data", exported->data, "Directory of the service"), Expects::folder);
    root.commands.push_back(
        {ca, [exported]() -> Invocation { return *exported; }, &exported->data});
    auto* status = root.app.add_subcommand("status", "Tells what a service's directory holds");
    const auto out = std::make_shared<StatusArguments>();
    add_store_options(*status, out->data);
    const auto format = add_output_option(*status);
    root.commands.push_back({status,
                             [out, format]() -> Invocation {
                                 out->json = *format == "json";
                                 return *out;
                             },
                             &out->data.data});
    auto* completion =
        root.app.add_subcommand("completion", "Prints a script that completes command lines");
    const auto completed = std::make_shared<CompletionArguments>();
    completion->add_option("SHELL", completed->shell, "Shell that the script is for")
        ->check(CLI::IsMember(std::set<std::string>{"bash", "zsh"}))
        ->required();
    root.commands.push_back(
        {completion, [completed]() -> Invocation { return *completed; }, nullptr});
}

std::unique_ptr<Root> make_root() {
    auto root = std::make_unique<Root>();
    root->app.set_version_flag("-V,--version", std::string("casemate-kms ") + CASEMATE_VERSION);
    root->app.require_subcommand(1);
    root->app.fallthrough();
    expects(root->app.add_option(
                "--config", root->configuration,
                "YAML file whose keys are the names of serve's options; none: kms.yaml in "
                "CASEMATE_CONFIG_DIR, else in /etc/casemate, if it is there"),
            Expects::file);
    add_serve(*root);
    add_user(*root);
    add_others(*root);
    add_policy(*root);
    add_root_key(*root);
    add_audit(*root);
    add_backup(*root);
    root->app.footer(
        "Exit status: 0 done; 1 the answer is no (a log that was changed, a request that is "
        "denied, a policy that is refused); 2 wrong command line or configuration; 3 something "
        "failed.");
    return root;
}

command_line::Command description_of(const Root& root) {
    auto description = command_line::describe(root.app);
    description.version = std::string("casemate-kms ") + CASEMATE_VERSION;
    return description;
}

// help_for shows the help that a command line asks for, where it does.
std::optional<UsageEnd> help_for(const Root& root, const std::vector<std::string>& arguments) {
    std::vector<std::string> words;
    for (auto word = std::next(arguments.begin()); word != arguments.end(); ++word) {
        if (*word == "-h" || *word == "--help") {
            words.push_back(*word);
            break;
        }
        if (word->substr(0, 1) != "-") {
            words.push_back(*word);
        }
    }
    if (words.empty() || words.back().substr(0, 1) != "-") {
        return std::nullopt;
    }
    auto judged = command_line::judge(description_of(root), words);
    auto* end = std::get_if<command_line::End>(&judged);
    if (end == nullptr || end->status != 0) {
        return std::nullopt;
    }
    return UsageEnd{0, std::move(end->standard_output), {}};
}

// run_parser is the one place where CLI11's exceptions end.
std::optional<UsageEnd> run_parser(Root& root, const std::vector<std::string>& arguments) {
    try {
        // CLI11 takes the arguments last first.
        root.app.parse(std::vector<std::string>(arguments.rbegin(), std::prev(arguments.rend())));
    } catch (const CLI::ParseError& error) {
        std::ostringstream out;
        std::ostringstream ignored;
        if (root.app.exit(error, out, ignored) == 0) {
            return UsageEnd{0, out.str(), {}};
        }
        return usage_error(error.what());
    }
    return std::nullopt;
}

const Command* parsed_command(const Root& root) {
    for (const Command& command : root.commands) {
        if (command.app->parsed()) {
            return &command;
        }
    }
    return nullptr;
}

// as_arguments writes a setting as on a command line.
std::vector<std::string> as_arguments(const Setting& setting) {
    std::vector<std::string> out;
    for (const std::string& value : setting.values) {
        out.push_back("--" + setting.name + "=" + value);
    }
    return out;
}

// settings_of gives what a configuration file adds to a command line: options of the command that
// are not on it.
std::variant<std::vector<std::string>, UsageEnd> settings_of(
    const Root& root, const Command& command, const std::string& file,
    const std::vector<std::string>& arguments) {
    const auto settings = read_configuration(file);
    if (!settings) {
        return usage_error(settings.error().message());
    }
    std::vector<std::string> all;
    for (const Setting& setting : *settings) {
        const std::string where = file + ", line " + std::to_string(setting.line) + ": ";
        const std::string name = "--" + setting.name;
        if (root.serve->get_option_no_throw(name) == nullptr || setting.name == "help" ||
            setting.name == "ready-fd") {
            return usage_error(where + "expected an option of serve, found \"" + setting.name +
                               "\"");
        }
        const CLI::Option* option = command.app->get_option_no_throw(name);
        if (option == nullptr || option->count() > 0) {
            continue;
        }
        const std::vector<std::string> added = as_arguments(setting);
        // Alone first, so that the line is known.
        std::vector<std::string> with = arguments;
        with.insert(with.end(), added.begin(), added.end());
        const auto trial = make_root();
        if (const auto end = run_parser(*trial, with)) {
            return usage_error(where + setting.name + ": " +
                               end->standard_error.substr(std::string("error: ").size()));
        }
        all.insert(all.end(), added.begin(), added.end());
    }
    return all;
}

std::variant<Invocation, UsageEnd> finish(const Root& root) {
    const Command* command = parsed_command(root);
    if (command == nullptr) {
        return UsageEnd{kUsageStatus, {}, root.app.help()};
    }
    if (command->data != nullptr && command->data->empty()) {
        return usage_error("--data is required: the directory of the service");
    }
    return command->read();
}

}  // namespace

std::variant<Invocation, UsageEnd> parse(const std::vector<std::string>& arguments,
                                         const Places& places) {
    const auto root = make_root();
    if (arguments.size() < 2) {
        return UsageEnd{0, root->app.help(), {}};
    }
    if (auto end = help_for(*root, arguments)) {
        return *std::move(end);
    }
    if (auto end = run_parser(*root, arguments)) {
        return *std::move(end);
    }
    std::string file = root->configuration;
    if (file.empty() && !places.configuration.empty() &&
        ::access(places.configuration.c_str(), F_OK) == 0) {
        file = places.configuration;
    }
    const Command* command = parsed_command(*root);
    if (file.empty() || command == nullptr) {
        return finish(*root);
    }
    auto settings = settings_of(*root, *command, file, arguments);
    if (auto* end = std::get_if<UsageEnd>(&settings)) {
        return std::move(*end);
    }
    std::vector<std::string> all = arguments;
    const auto& added = *std::get_if<std::vector<std::string>>(&settings);
    all.insert(all.end(), added.begin(), added.end());
    const auto again = make_root();
    if (auto end = run_parser(*again, all)) {
        return *std::move(end);
    }
    return finish(*again);
}

std::string completion_script(const std::string& shell) {
    const auto description = description_of(*make_root());
    return shell == "zsh" ? command_line::zsh_completion(description, {description.name})
                          : command_line::bash_completion(description, {description.name});
}

}  // namespace casemate::kms::cli
