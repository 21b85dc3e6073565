#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <tuple>

#include "cli/run_config.hpp"
#include "cli/values.hpp"
#include "cli/verify_values.hpp"

namespace casemate::cli {

namespace {

constexpr int kUsageStatus = 2;
constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

using Text = std::optional<std::string>;
using Outcome = std::variant<Invocation, CommandError>;

// Verb: a subcommand and how its options become an invocation, once they have been parsed.
struct Verb {
    CLI::App* app = nullptr;
    std::function<Outcome()> read;
};

// take puts a value into out; the error, if it is one, comes back.
template <class T, class Out>
std::optional<CommandError> take(Value<T> value, Out& out) {
    if (auto* error = std::get_if<CommandError>(&value)) {
        return std::move(*error);
    }
    out = static_cast<Out>(*std::get_if<T>(&value));
    return std::nullopt;
}

std::optional<CommandError> take_number32(const std::string& text, std::string_view option,
                                          std::uint32_t& out) {
    return take(parse_number(text, option, kMax32), out);
}

// RunOptions: run-enclave's options as text. Numbers are read later: a bad one is E03, not a usage
// error.
struct RunOptions {
    std::vector<std::string> cpu_ids;
    Text cpu_count;
    Text memory;
    Text eif_path;
    Text enclave_cid;
    Text enclave_name;
    Text config;
    std::string acceleration;
    Text boot_timeout;
    bool debug_mode = false;
    bool attach_console = false;
};

std::optional<CommandError> read_cpus(const RunOptions& options, RunEnclaveArguments& out) {
    for (const std::string& id : options.cpu_ids) {
        out.cpu_ids.push_back(0);
        if (auto error = take_number32(id, "cpu-ids", out.cpu_ids.back())) {
            return error;
        }
    }
    if (options.cpu_count) {
        out.cpu_count = 0;
        return take_number32(*options.cpu_count, "cpu-count", *out.cpu_count);
    }
    return std::nullopt;
}

std::optional<CommandError> read_options(const RunOptions& options, RunEnclaveArguments& out) {
    if (auto error = read_cpus(options, out)) {
        return error;
    }
    if (auto error = take(parse_memory(options.memory.value_or("")), out.memory_mib)) {
        return error;
    }
    if (options.enclave_cid) {
        out.enclave_cid = 0;
        if (auto error = take(parse_enclave_cid(*options.enclave_cid), *out.enclave_cid)) {
            return error;
        }
    }
    out.eif_path = options.eif_path.value_or("");
    out.enclave_name = options.enclave_name;
    out.debug_mode = options.debug_mode;
    return std::nullopt;
}

Outcome read_run(const RunOptions& options, std::string_view environment) {
    RunEnclaveArguments out;
    if (options.config) {
        auto read = read_run_config(*options.config);
        if (auto* error = std::get_if<CommandError>(&read)) {
            return std::move(*error);
        }
        out = std::move(*std::get_if<RunEnclaveArguments>(&read));
    } else if (auto error = read_options(options, out)) {
        return *std::move(error);
    }
    out.attach_console = out.attach_console || options.attach_console;
    out.debug_mode = out.debug_mode || out.attach_console;
    const std::string_view wanted =
        options.acceleration.empty() ? environment : std::string_view(options.acceleration);
    if (auto error = take(parse_acceleration(wanted), out.acceleration)) {
        return *std::move(error);
    }
    if (options.boot_timeout) {
        if (auto error =
                take_number32(*options.boot_timeout, "boot-timeout", out.boot_timeout_seconds)) {
            return *std::move(error);
        }
    }
    return Invocation(std::move(out));
}

Verb add_run_enclave(CLI::App& root, std::string_view environment) {
    auto* app = root.add_subcommand("run-enclave", "Starts a new enclave");
    const auto options = std::make_shared<RunOptions>();
    auto* config = app->add_option("--config", options->config,
                                   "JSON file with everything that the other options say");
    auto* ids = app->add_option("--cpu-ids", options->cpu_ids, "CPUs of the enclave, by number")
                    ->expected(1, -1);
    auto* count = app->add_option("--cpu-count", options->cpu_count, "Number of CPUs");
    auto* memory =
        app->add_option("--memory", options->memory, "Memory in MiB, or with a unit of M, G or T");
    auto* eif = app->add_option("--eif-path", options->eif_path, "Enclave image file");
    auto* cid = app->add_option("--enclave-cid", options->enclave_cid,
                                "CID of the enclave's vsock; 0 or none: any");
    auto* name = app->add_option("--enclave-name", options->enclave_name, "Name of the enclave");
    auto* debug =
        app->add_flag("--debug-mode", options->debug_mode,
                      "Give the enclave a console; its measurements are attested as zero");
    app->add_flag("--attach-console", options->attach_console,
                  "Show the console after the start; implies --debug-mode");
    app->add_option("--accel", options->acceleration,
                    "auto, kvm or software: how the enclave gets its CPU");
    app->add_option(
        "--boot-timeout", options->boot_timeout,
        "Seconds that the guest has for its heartbeat; 0 or none: by size, 180 or more");
    ids->excludes(count);
    for (auto* option : {ids, count, memory, eif, cid, name, debug}) {
        config->excludes(option);
    }
    app->callback([=] {
        const bool configured = config->count() > 0;
        if (!configured && ids->count() == 0 && count->count() == 0) {
            throw CLI::RequiredError("--cpu-ids or --cpu-count");
        }
        for (auto* option : {memory, eif}) {
            if (!configured && option->count() == 0) {
                throw CLI::RequiredError(option->get_name());
            }
        }
    });
    return {app, [options, environment] { return read_run(*options, environment); }};
}

// require_one makes exactly one of the options necessary.
void require_one(CLI::App* app, const std::vector<CLI::Option*>& options) {
    std::string names;
    for (auto* option : options) {
        names += (names.empty() ? "" : " or ") + option->get_name();
        for (auto* other : options) {
            if (other != option) {
                option->excludes(other);
            }
        }
    }
    app->callback([options, names] {
        for (const auto* option : options) {
            if (option->count() > 0) {
                return;
            }
        }
        throw CLI::RequiredError(names);
    });
}

std::vector<CLI::Option*> add_selector(CLI::App* app, EnclaveSelector& selector) {
    return {app->add_option("--enclave-id", selector.id, "Id of the enclave"),
            app->add_option("--enclave-name", selector.name, "Name of the enclave")};
}

template <class Arguments>
std::function<Outcome()> as_they_are(const std::shared_ptr<Arguments>& arguments) {
    return [arguments]() -> Outcome { return Invocation(*arguments); };
}

Verb add_terminate_enclave(CLI::App& root) {
    auto* app = root.add_subcommand("terminate-enclave", "Ends an enclave");
    const auto arguments = std::make_shared<TerminateEnclaveArguments>();
    auto options = add_selector(app, arguments->selector);
    options.push_back(app->add_flag("--all", arguments->all, "End every enclave of this user"));
    require_one(app, options);
    return {app, as_they_are(arguments)};
}

Verb add_describe_enclaves(CLI::App& root) {
    auto* app = root.add_subcommand("describe-enclaves", "Lists the enclaves that run");
    const auto arguments = std::make_shared<DescribeEnclavesArguments>();
    app->add_flag("--metadata", arguments->metadata, "Show the images' metadata as well");
    return {app, as_they_are(arguments)};
}

Verb add_console(CLI::App& root) {
    auto* app = root.add_subcommand("console", "Shows the console of an enclave in debug mode");
    const auto arguments = std::make_shared<ConsoleArguments>();
    const auto timeout = std::make_shared<Text>();
    require_one(app, add_selector(app, arguments->selector));
    app->add_option("--disconnect-timeout", *timeout, "Stop after this many seconds");
    return {app, [arguments, timeout]() -> Outcome {
                if (*timeout) {
                    arguments->disconnect_timeout_seconds = 0;
                    if (auto error = take(parse_number(**timeout, "disconnect-timeout", kMax64),
                                          *arguments->disconnect_timeout_seconds)) {
                        return *std::move(error);
                    }
                }
                return Invocation(*arguments);
            }};
}

// add_signer: the two options need each other.
template <class Arguments>
void add_signer(CLI::App& app, Arguments& arguments) {
    auto* certificate = app.add_option("--signing-certificate", arguments.signing_certificate,
                                       "Certificate of the signer, in PEM");
    auto* key = app.add_option("--private-key", arguments.private_key,
                               "Key of the signer: a PEM file, the URI of a key in a token "
                               "(pkcs11:...), or the ARN of a key in KMS (arn:aws:kms:...)");
    certificate->needs(key);
    key->needs(certificate);
}

Verb add_build_enclave(CLI::App& root) {
    auto* app = root.add_subcommand("build-enclave", "Makes an enclave image of a container image");
    const auto arguments = std::make_shared<BuildEnclaveArguments>();
    app->add_option("--docker-uri", arguments->docker_uri,
                    "Container image: oci:PATH[:TAG], docker-archive:FILE or dir:PATH")
        ->required();
    app->add_option("--docker-dir", arguments->docker_dir, "Folder of the image's Dockerfile");
    app->add_option("--output-file", arguments->output_file, "Enclave image file to write")
        ->required();
    add_signer(*app, *arguments);
    app->add_option("--name", arguments->image_name, "Name in the metadata");
    app->add_option("--version", arguments->image_version, "Version in the metadata");
    app->add_option("--metadata", arguments->metadata_file, "JSON file with metadata of your own");
    app->add_option("--kernel", arguments->kernel, "Kernel file: bzImage, vmlinux or arm64 Image");
    app->add_option("--cmdline", arguments->cmdline, "Command line of the kernel");
    app->add_option("--init", arguments->init, "Program for the enclave's first process");
    app->add_option("--arch", arguments->architecture,
                    "Architecture: x86_64 or aarch64 (the kernel's)")
        ->check(CLI::IsMember({"x86_64", "aarch64"}));
    app->add_option("--allow-insecure-registry", arguments->insecure_registries,
                    "Registry (HOST or HOST:PORT) that may be used without TLS; may be repeated")
        ->allow_extra_args(false);
    app->add_option("COMMAND", arguments->command,
                    "What to run, after \"--\", instead of the image's ENTRYPOINT and CMD");
    return {app, as_they_are(arguments)};
}

Verb add_describe_eif(CLI::App& root) {
    auto* app = root.add_subcommand("describe-eif", "Shows what an enclave image is");
    const auto arguments = std::make_shared<DescribeEifArguments>();
    app->add_option("--eif-path", arguments->eif_path, "Enclave image file")->required();
    return {app, as_they_are(arguments)};
}

Verb add_sign_eif(CLI::App& root) {
    auto* app = root.add_subcommand("sign-eif", "Signs an enclave image, in its place");
    const auto arguments = std::make_shared<SignEifArguments>();
    app->add_option("--eif-path", arguments->eif_path, "Enclave image file");
    add_signer(*app, *arguments);
    return {app, as_they_are(arguments)};
}

Verb add_pcr(CLI::App& root) {
    auto* app = root.add_subcommand("pcr", "Computes the register of a file or certificate");
    const auto arguments = std::make_shared<PcrArguments>();
    require_one(app, {app->add_option("--input", arguments->input, "File to measure"),
                      app->add_option("--signing-certificate", arguments->signing_certificate,
                                      "Certificate in PEM, for PCR8")});
    return {app, as_they_are(arguments)};
}

Verb add_explain(CLI::App& root) {
    auto* app = root.add_subcommand("explain", "Explains an error code");
    const auto arguments = std::make_shared<ExplainArguments>();
    app->add_option("--error-code", arguments->error_code, "Code, such as E26")->required();
    return {app, as_they_are(arguments)};
}

std::shared_ptr<std::string> add_output_option(CLI::App& app) {
    auto format = std::make_shared<std::string>("text");
    app.add_option("--output", *format, "text or json")->check([](const std::string& text) {
        return text == "text" || text == "json" ? std::string() : "expected text or json";
    });
    return format;
}

Verb add_validate_eif(CLI::App& root) {
    auto* app = root.add_subcommand("validate-eif",
                                    "Tells whether an enclave image would start, and why not");
    const auto arguments = std::make_shared<ValidateEifArguments>();
    const auto memory = std::make_shared<Text>();
    const auto count = std::make_shared<Text>();
    app->add_option("--eif-path", arguments->eif_path, "Enclave image file")->required();
    app->add_option("--memory", *memory, "Memory that run-enclave would be given");
    app->add_option("--cpu-count", *count, "Number of CPUs that run-enclave would be given");
    const auto format = add_output_option(*app);
    app->footer(
        "Exit status: 0 it would start; else the number of the error that run-enclave would give: "
        "26 too little memory, 35 malformed or for another machine, 36 nothing to start in its "
        "ramdisks, 59 its signature; 2 wrong command line.");
    return {app, [arguments, memory, count, format]() -> Outcome {
                if (*memory) {
                    arguments->memory_mib = 0;
                    if (auto error = take(parse_memory(**memory), *arguments->memory_mib)) {
                        return *std::move(error);
                    }
                }
                if (*count) {
                    arguments->cpu_count = 0;
                    if (auto error = take_number32(**count, "cpu-count", *arguments->cpu_count)) {
                        return *std::move(error);
                    }
                }
                arguments->json = *format == "json";
                return Invocation(*arguments);
            }};
}

Verb add_doctor(CLI::App& root) {
    auto* app = root.add_subcommand("doctor", "Tells what this machine can do for enclaves");
    const auto format = add_output_option(*app);
    return {app, [format]() -> Outcome { return Invocation(DoctorArguments{*format == "json"}); }};
}

Verb add_logs(CLI::App& root) {
    auto* app = root.add_subcommand("logs", "Shows the log of an enclave, also of an ended one");
    const auto arguments = std::make_shared<LogsArguments>();
    app->add_option("ID", arguments->enclave_id, "Id of the enclave")->required();
    return {app, as_they_are(arguments)};
}

Verb add_ps(CLI::App& root) {
    auto* app = root.add_subcommand("ps", "Lists enclaves in a table");
    const auto all = std::make_shared<bool>(false);
    app->add_flag("--all", *all, "Also those that have ended, and why");
    const auto format = add_output_option(*app);
    return {app, [all, format]() -> Outcome {
                return Invocation(PsArguments{*all, *format == "json"});
            }};
}

// VerifyOptions: verify's options as text.
struct VerifyOptions {
    VerifyArguments arguments;
    std::shared_ptr<std::string> format;
    Text nonce;
    Text at;
    Text max_age;
    std::vector<std::string> pcrs;
    std::vector<std::string> isolation;
    Text required_isolation;
};

// well_formed makes a value that parse has an error for a usage error.
template <class Parse>
CLI::Option* well_formed(CLI::Option* option, Parse parse) {
    return option->check([parse](const std::string& text) {
        const auto value = parse(text);
        const auto* error = std::get_if<CommandError>(&value);
        return error == nullptr ? std::string() : error->sentence;
    });
}

Outcome read_verify(const VerifyOptions& options) {
    VerifyArguments out = options.arguments;
    out.json = *options.format == "json";
    const auto take_text = [](const Text& text, auto parse, auto& to) {
        return text ? take(parse(*text), to.emplace()) : std::nullopt;
    };
    std::vector<std::optional<CommandError>> errors{
        take_text(options.nonce, parse_nonce, out.nonce), take_text(options.at, parse_time, out.at),
        take_text(options.max_age, parse_max_age, out.max_age),
        take_text(options.required_isolation, parse_allowed_isolation, out.require_isolation)};
    for (const std::string& text : options.pcrs) {
        ExpectedPcr pcr;
        errors.push_back(take(parse_pcr(text), pcr));
        out.pcrs[pcr.index].insert(pcr.value);
    }
    for (const std::string& text : options.isolation) {
        attestation::Isolation isolation{};
        errors.push_back(take(parse_allowed_isolation(text), isolation));
        out.allow_isolation.insert(isolation);
    }
    for (auto& error : errors) {
        if (error) {
            return *std::move(error);
        }
    }
    return Invocation(std::move(out));
}

void add_expectations(CLI::App& app, VerifyOptions& options) {
    well_formed(app.add_option("--nonce", options.nonce,
                               "Nonce that the document has to carry, in hexadecimal"),
                parse_nonce);
    app.add_option("--eif", options.arguments.eif_path,
                   "Enclave image that has to be the one that runs; with --pcrs or --pcr, all "
                   "of them have to hold");
    app.add_option("--pcrs", options.arguments.pcrs_path,
                   "JSON file of registers: {\"PCR0\": HEX or [HEX, ...], ...}, an array of "
                   "such alternatives, or what build-enclave and describe-eif print");
    auto* pcr = app.add_option("--pcr", options.pcrs,
                               "Register that has to have a value, N=HEX; given again for the "
                               "same N, either value will do");
    well_formed(pcr, parse_pcr)->allow_extra_args(false);
    auto* age = app.add_option("--max-age", options.max_age,
                               "Seconds that may have passed since the document was made");
    well_formed(age, parse_max_age);
    auto* at =
        app.add_option("--at", options.at, "Time to verify at, as 2026-01-31T23:59:59Z; none: now");
    well_formed(at, parse_time);
    auto* own = app.add_flag("--at-document-time", options.arguments.at_document_time,
                             "Verify at the time that the document itself says, out of an archive");
    own->excludes(at);
    own->excludes(age);
    auto* isolation = app.add_option("--allow-isolation", options.isolation,
                                     "software: accept enclaves of the software host too");
    well_formed(isolation, parse_allowed_isolation)->allow_extra_args(false);
    auto* required = app.add_option("--require-isolation", options.required_isolation,
                                    "nitro, kvm or software: accept enclaves of that isolation, "
                                    "and of no other");
    well_formed(required, parse_allowed_isolation)->excludes(isolation);
    app.add_flag("--allow-debug", options.arguments.allow_debug,
                 "Accept enclaves in debug mode too, whose console can be read");
}

Verb add_verify(CLI::App& root) {
    auto* app = root.add_subcommand("verify", "Verifies an attestation document");
    const auto options = std::make_shared<VerifyOptions>();
    app->add_option("--document", options->arguments.document,
                    "File, or - for standard input: the document itself when its first byte is "
                    "0x80 or more, else its base64")
        ->required();
    app->add_option("--root", options->arguments.roots,
                    "PEM file of root certificates to trust; may be given again")
        ->required()
        ->allow_extra_args(false);
    add_expectations(*app, *options);
    options->format = add_output_option(*app);
    app->add_flag("--explain", options->arguments.explain, "Show each step with its result");
    app->add_option("--write-public-key", options->arguments.write_public_key,
                    "File to write the verified document's public key to");
    app->add_option("--write-user-data", options->arguments.write_user_data,
                    "File to write the verified document's user data to");
    app->footer(
        "Exit status: 0 verified; 1 refused; 2 wrong command line; 3 a file of roots or registers "
        "is none; 19 a file can't be read or written; 35 the enclave image is none.");
    return {app, [options] { return read_verify(*options); }};
}

Verb add_vsock_connect(CLI::App& vsock) {
    auto* app = vsock.add_subcommand("connect",
                                     "Connects standard input and output to a port of an enclave");
    const auto cid = std::make_shared<std::string>();
    const auto port = std::make_shared<std::string>();
    app->add_option("CID", *cid, "CID of the enclave")->required();
    app->add_option("PORT", *port, "Port to connect to")->required();
    return {app, [cid, port]() -> Outcome {
                VsockConnectArguments arguments;
                if (auto error = take_number32(*cid, "CID", arguments.cid)) {
                    return *std::move(error);
                }
                if (auto error = take_number32(*port, "PORT", arguments.port)) {
                    return *std::move(error);
                }
                return Invocation(arguments);
            }};
}

Verb add_vsock_listen(CLI::App& vsock) {
    auto* app = vsock.add_subcommand(
        "listen", "Takes one connection from an enclave to a port of the parent");
    const auto port = std::make_shared<std::string>();
    app->add_option("PORT", *port, "Port to listen at")->required();
    return {app, [port]() -> Outcome {
                VsockListenArguments arguments;
                if (auto error = take_number32(*port, "PORT", arguments.port)) {
                    return *std::move(error);
                }
                return Invocation(arguments);
            }};
}

Verb add_authority_verb(CLI::App& authority, AuthorityAction action, const char* name,
                        const char* description) {
    auto* app = authority.add_subcommand(name, description);
    const auto arguments = std::make_shared<AuthorityArguments>();
    arguments->action = action;
    auto format = std::make_shared<std::string>();
    if (action == AuthorityAction::init || action == AuthorityAction::rotate) {
        app->add_option("--root-key", arguments->root_key,
                        "Key of the root in a token, as a PKCS #11 URI");
        app->add_option("--region-key", arguments->region_key,
                        "Key of the region in a token, as a PKCS #11 URI");
    }
    if (action == AuthorityAction::rotate) {
        app->add_flag("--root", arguments->root, "Make a new root too, which nobody trusts yet");
    }
    if (action == AuthorityAction::export_root) {
        app->add_option("--output", arguments->output_file, "File to write; else standard output");
    }
    if (action == AuthorityAction::status) {
        format = add_output_option(*app);
    }
    return {app, [arguments, format]() -> Outcome {
                arguments->json = *format == "json";
                return Invocation(*arguments);
            }};
}

void add_authority(CLI::App& root, std::vector<Verb>& verbs) {
    auto* app =
        root.add_subcommand("authority", "Looks after what certifies this machine's enclaves");
    app->require_subcommand(1);
    for (const auto& [action, name, description] :
         {std::tuple(AuthorityAction::init, "init", "Makes this machine's authority"),
          std::tuple(AuthorityAction::show, "show", "Shows the root certificate's fingerprint"),
          std::tuple(AuthorityAction::export_root, "export-root",
                     "Writes the root certificate, for those who verify"),
          std::tuple(AuthorityAction::status, "status", "Lists the certificates and their ends"),
          std::tuple(AuthorityAction::rotate, "rotate", "Makes new keys and certificates")}) {
        verbs.push_back(add_authority_verb(*app, action, name, description));
    }
}

bool called_as_nitro_cli(std::string_view program) {
    return program.substr(program.rfind('/') + 1) == "nitro-cli";
}

UsageEnd usage_error(const std::string& sentence) {
    return {kUsageStatus, {}, "error: " + sentence + "\n\nFor more information, try '--help'.\n"};
}

UsageEnd end_of(CLI::App& root, const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream ignored;
    if (root.exit(error, out, ignored) == 0) {
        return {0, out.str(), {}};
    }
    return usage_error(error.what());
}

// run_parser is the one place where CLI11's exceptions end.
std::optional<UsageEnd> run_parser(CLI::App& root, const std::vector<std::string>& arguments) {
    try {
        // CLI11 takes the arguments last first.
        root.parse(std::vector<std::string>(arguments.rbegin(), std::prev(arguments.rend())));
    } catch (const CLI::ParseError& error) {
        return end_of(root, error);
    }
    return std::nullopt;
}

}  // namespace

Parsed parse(const std::vector<std::string>& arguments, std::string_view acceleration) {
    const bool nitro = !arguments.empty() && called_as_nitro_cli(arguments[0]);
    const std::string title = nitro ? "Nitro CLI" : "casemate";
    CLI::App root("CLI for enclave lifetime management", nitro ? "nitro-cli" : "casemate");
    root.set_version_flag("-V,--version", title + " " + CASEMATE_VERSION);
    root.require_subcommand(1);
    std::vector<Verb> verbs = {
        add_build_enclave(root),
        add_run_enclave(root, acceleration),
        add_describe_enclaves(root),
        add_console(root),
        add_terminate_enclave(root),
        add_describe_eif(root),
        add_validate_eif(root),
        add_pcr(root),
        add_sign_eif(root),
        add_explain(root),
        add_verify(root),
        add_doctor(root),
        add_ps(root),
        add_logs(root),
    };
    auto* vsock = root.add_subcommand("vsock", "Talks to enclaves over vsock");
    vsock->require_subcommand(1);
    verbs.push_back(add_vsock_connect(*vsock));
    verbs.push_back(add_vsock_listen(*vsock));
    add_authority(root, verbs);
    if (arguments.size() < 2) {
        return UsageEnd{0, root.help(), {}};
    }
    const std::string& first = arguments[1];
    const auto called = [&](const CLI::App* app) { return app->get_name() == first; };
    if (first.substr(0, 1) != "-" && root.get_subcommands(called).empty()) {
        return usage_error("unrecognized subcommand '" + first + "'");
    }
    if (auto end = run_parser(root, arguments)) {
        return *std::move(end);
    }
    for (const Verb& verb : verbs) {
        if (verb.app->parsed()) {
            Outcome outcome = verb.read();
            if (auto* error = std::get_if<CommandError>(&outcome)) {
                return std::move(*error);
            }
            return std::move(*std::get_if<Invocation>(&outcome));
        }
    }
    return UsageEnd{kUsageStatus, {}, root.help()};
}

}  // namespace casemate::cli
