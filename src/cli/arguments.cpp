#include "cli/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <tuple>

#include "cli/run_config.hpp"
#include "cli/values.hpp"
#include "cli/verify_values.hpp"
#include "command_line/cli11.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

using command_line::expects;
using command_line::Expects;
using Text = std::optional<std::string>;
using Outcome = std::variant<Invocation, CommandError>;

// Verb: a subcommand, how its options become an invocation, once they have been parsed, and which
// of them have to be given unless others are.
struct Verb {
    CLI::App* app = nullptr;
    std::function<Outcome()> read;
    std::vector<command_line::Unless> unless = {};
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
    Text health_port;
    Text health_interval;
    Text health_retries;
    Text health_start_period;
    Text liveness_timeout;
    Text restart;
    Text shutdown_timeout;
    bool wait = false;
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

// What an option says takes the place of what the file says.
std::optional<CommandError> read_watch(const RunOptions& options, WatchArguments& out) {
    struct Number {
        const Text& text;
        std::string_view option;
        std::optional<std::uint32_t>& to;
    };
    for (const Number& number :
         {Number{options.health_port, "health-port", out.health_port},
          Number{options.health_interval, "health-interval", out.health_interval_seconds},
          Number{options.health_retries, "health-retries", out.health_retries},
          Number{options.health_start_period, "health-start-period", out.health_start_seconds},
          Number{options.liveness_timeout, "liveness-timeout", out.liveness_seconds},
          Number{options.shutdown_timeout, "shutdown-timeout", out.shutdown_seconds}}) {
        if (number.text) {
            number.to = 0;
            if (auto error = take_number32(*number.text, number.option, *number.to)) {
                return error;
            }
        }
    }
    if (options.restart) {
        out.restart = options.restart;
    }
    if (auto error = check_watch(out)) {
        return error;
    }
    // The port may stand in the file and these not, or the other way round.
    for (const auto& [given, option] :
         {std::pair(out.health_interval_seconds.has_value(), "health-interval"),
          std::pair(out.health_retries.has_value(), "health-retries"),
          std::pair(out.health_start_seconds.has_value(), "health-start-period")}) {
        if (given && !out.health_port) {
            return CommandError{
                ErrorCode::missing_argument,
                "Expected `health-port` beside `" + std::string(option) + "`, found none."};
        }
    }
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
    if (auto error = read_watch(options, out.watch)) {
        return *std::move(error);
    }
    out.wait = options.wait;
    return Invocation(std::move(out));
}

// add_watch gives the options that count with a health port only.
std::vector<CLI::Option*> add_watch(CLI::App& app, RunOptions& options) {
    auto* port = app.add_option("--health-port", options.health_port,
                                "Port of the enclave that accepts connections while it is healthy");
    std::vector<CLI::Option*> of_port = {
        app.add_option("--health-interval", options.health_interval,
                       "Seconds between two connections to that port; none: 5"),
        app.add_option("--health-retries", options.health_retries,
                       "Refusals in a row that make it unhealthy; none: 3"),
        app.add_option("--health-start-period", options.health_start_period,
                       "Seconds in which refusals do not count yet; none: 30")};
    for (auto* option : of_port) {
        option->needs(port);
    }
    app.add_option("--liveness-timeout", options.liveness_timeout,
                   "Seconds without a sign of life from init that make it unhealthy; none: 20; 0: "
                   "never");
    app.add_option("--restart", options.restart,
                   "no, on-failure, on-failure:N or always: what to do at its end");
    app.add_option("--shutdown-timeout", options.shutdown_timeout,
                   "Seconds that its program has to end when that is asked for; none: 5");
    app.add_flag("--wait", options.wait,
                 "Stay until the enclave has ended, and exit with its program's status");
    return of_port;
}

Verb add_run_enclave(CLI::App& root, std::string_view environment) {
    auto* app = root.add_subcommand("run-enclave", "Starts a new enclave");
    const auto options = std::make_shared<RunOptions>();
    auto* ids = app->add_option("--cpu-ids", options->cpu_ids, "CPUs of the enclave, by number")
                    ->expected(1, -1);
    auto* count = app->add_option("--cpu-count", options->cpu_count, "Number of CPUs");
    auto* memory =
        app->add_option("--memory", options->memory, "Memory in MiB, or with a unit of M, G or T");
    auto* eif = expects(app->add_option("--eif-path", options->eif_path, "Enclave image file"),
                        Expects::file);
    auto* cid = app->add_option("--enclave-cid", options->enclave_cid,
                                "CID of the enclave's vsock; 0 or none: any");
    auto* debug =
        app->add_flag("--debug-mode", options->debug_mode,
                      "Give the enclave a console; its measurements are attested as zero");
    app->add_flag("--attach-console", options->attach_console,
                  "Show the console after the start; implies --debug-mode");
    auto* name = app->add_option("--enclave-name", options->enclave_name, "Name of the enclave");
    auto* config = expects(
        app->add_option("--config", options->config, "JSON file with what else options would say"),
        Expects::file, "json-config");
    app->add_option("--accel", options->acceleration, "How the enclave gets its CPU")
        ->check(CLI::IsMember(std::vector<std::string>{"auto", "kvm", "software"}));
    app->add_option(
        "--boot-timeout", options->boot_timeout,
        "Seconds that the guest has for its heartbeat; 0 or none: by size, 180 or more");
    const auto of_port = add_watch(*app, *options);
    app->footer(
        "Exit status with --wait: the program's; 128 and the number of the signal that killed it; "
        "125 for neither.");
    ids->excludes(count);
    for (auto* option : {ids, count, memory, eif, cid, debug, name}) {
        config->excludes(option);
    }
    std::vector<command_line::Unless> unless = {
        {ids, {count, config}}, {count, {ids, config}}, {memory, {config}}, {eif, {config}}};
    for (auto* option : of_port) {
        unless.push_back({option, {config}, true});
    }
    return {app, [options, environment] { return read_run(*options, environment); }, unless};
}

// exactly_one makes one of the options necessary and each exclude the others.
std::vector<command_line::Unless> exactly_one(const std::vector<CLI::Option*>& options) {
    std::vector<command_line::Unless> rules;
    for (auto* option : options) {
        command_line::Unless& rule = rules.emplace_back();
        rule.option = option;
        for (auto* other : options) {
            if (other != option) {
                option->excludes(other);
                rule.others.push_back(other);
            }
        }
    }
    return rules;
}

CLI::Option* add_id(CLI::App& app, EnclaveSelector& selector) {
    return expects(app.add_option("--enclave-id", selector.id, "Id of the enclave"),
                   Expects::enclave_id);
}

CLI::Option* add_name(CLI::App& app, EnclaveSelector& selector) {
    return expects(app.add_option("--enclave-name", selector.name, "Name of the enclave"),
                   Expects::enclave_name);
}

template <class Arguments>
std::function<Outcome()> as_they_are(const std::shared_ptr<Arguments>& arguments) {
    return [arguments]() -> Outcome { return Invocation(*arguments); };
}

Verb add_terminate_enclave(CLI::App& root) {
    auto* app = root.add_subcommand("terminate-enclave", "Ends an enclave");
    const auto arguments = std::make_shared<TerminateEnclaveArguments>();
    auto* id = add_id(*app, arguments->selector);
    auto* all = app->add_flag("--all", arguments->all, "End every enclave of this user");
    auto* name = add_name(*app, arguments->selector);
    const auto timeout = std::make_shared<Text>();
    const auto force = std::make_shared<bool>(false);
    auto* seconds = app->add_option("--timeout", *timeout,
                                    "Seconds that the program has to end; none: what run-enclave "
                                    "has said; 0: none");
    app->add_flag("--force", *force, "End it at once; the same as --timeout 0")->excludes(seconds);
    return {app,
            [arguments, timeout, force]() -> Outcome {
                TerminateEnclaveArguments out = *arguments;
                if (*timeout || *force) {
                    out.timeout_seconds = 0;
                }
                if (*timeout) {
                    auto error = take(parse_seconds(**timeout, "timeout"), *out.timeout_seconds);
                    if (error) {
                        return *std::move(error);
                    }
                }
                return Invocation(std::move(out));
            },
            exactly_one({id, all, name})};
}

Verb add_health(CLI::App& root) {
    auto* app = root.add_subcommand("health", "Tells whether an enclave is healthy");
    const auto arguments = std::make_shared<HealthArguments>();
    auto* id = add_id(*app, arguments->selector);
    auto* name = add_name(*app, arguments->selector);
    app->footer("Exit status: 0 healthy; 1 unhealthy; 3 starting, or nothing to judge by.");
    // The analyzer loses sight of who owns what std::function allocates.
    // NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks)
    return {app, as_they_are(arguments), exactly_one({id, name})};
}
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)

// add_layout_option is for verbs of nitro-cli: JSON unless told otherwise.
std::shared_ptr<std::string> add_layout_option(CLI::App& app) {
    auto format = std::make_shared<std::string>("json");
    app.add_option("--output", *format, "How to print it: json for programs, table for people")
        ->check(CLI::IsMember(std::vector<std::string>{"json", "table"}));
    return format;
}

Verb add_describe_enclaves(CLI::App& root) {
    auto* app = root.add_subcommand("describe-enclaves", "Lists the enclaves that run");
    const auto arguments = std::make_shared<DescribeEnclavesArguments>();
    app->add_flag("--metadata", arguments->metadata, "Show the images' metadata as well");
    const auto format = add_layout_option(*app);
    return {app, [arguments, format]() -> Outcome {
                arguments->table = *format == "table";
                return Invocation(*arguments);
            }};
}

Verb add_console(CLI::App& root) {
    auto* app = root.add_subcommand("console", "Shows the console of an enclave in debug mode");
    const auto arguments = std::make_shared<ConsoleArguments>();
    const auto timeout = std::make_shared<Text>();
    auto* id = add_id(*app, arguments->selector);
    app->add_option("--disconnect-timeout", *timeout, "Stop after this many seconds");
    auto* name = add_name(*app, arguments->selector);
    return {app,
            [arguments, timeout]() -> Outcome {
                if (*timeout) {
                    arguments->disconnect_timeout_seconds = 0;
                    if (auto error = take(parse_number(**timeout, "disconnect-timeout", kMax64),
                                          *arguments->disconnect_timeout_seconds)) {
                        return *std::move(error);
                    }
                }
                return Invocation(*arguments);
            },
            exactly_one({id, name})};
}

// add_signer: the two options need each other.
template <class Arguments>
void add_signer(CLI::App& app, Arguments& arguments) {
    auto* certificate =
        expects(app.add_option("--signing-certificate", arguments.signing_certificate,
                               "Certificate of the signer, in PEM"),
                Expects::file);
    auto* key = expects(app.add_option("--private-key", arguments.private_key,
                                       "Key of the signer: a PEM file, the URI of a key in a "
                                       "token (pkcs11:...), or the ARN of a key in KMS "
                                       "(arn:aws:kms:...)"),
                        Expects::file);
    certificate->needs(key);
    key->needs(certificate);
}

Verb add_build_enclave(CLI::App& root) {
    auto* app = root.add_subcommand("build-enclave", "Makes an enclave image of a container image");
    const auto arguments = std::make_shared<BuildEnclaveArguments>();
    app->add_option("--docker-uri", arguments->docker_uri,
                    "Container image: a NAME as Docker has it, docker-daemon:NAME, docker://NAME, "
                    "oci:PATH[:TAG], docker-archive:FILE or dir:PATH")
        ->required();
    expects(app->add_option("--docker-dir", arguments->docker_dir,
                            "Folder of a Dockerfile, to build the image of first"),
            Expects::folder);
    expects(app->add_option("--output-file", arguments->output_file, "Enclave image file to write"),
            Expects::file)
        ->required();
    add_signer(*app, *arguments);
    expects(app->add_option("--name", arguments->image_name, "Name in the metadata"), Expects::text,
            "image_name");
    expects(app->add_option("--version", arguments->image_version, "Version in the metadata"),
            Expects::text, "image_version");
    expects(app->add_option("--metadata", arguments->metadata_file,
                            "JSON file with metadata of your own"),
            Expects::file);
    expects(app->add_option("--kernel", arguments->kernel,
                            "Kernel file: bzImage, vmlinux or arm64 Image"),
            Expects::file);
    app->add_option("--cmdline", arguments->cmdline, "Command line of the kernel");
    expects(app->add_option("--init", arguments->init, "Program for the enclave's first process"),
            Expects::file);
    app->add_option("--arch", arguments->architecture,
                    "Architecture: x86_64 or aarch64 (the kernel's)")
        ->check(CLI::IsMember({"x86_64", "aarch64"}));
    app->add_option("--allow-insecure-registry", arguments->insecure_registries,
                    "Registry (HOST or HOST:PORT) that may be used without TLS; may be repeated")
        ->allow_extra_args(false);
    expects(app->add_option("COMMAND", arguments->command,
                            "What to run, after \"--\", instead of the image's ENTRYPOINT and CMD"),
            Expects::program);
    return {app, as_they_are(arguments)};
}

Verb add_describe_eif(CLI::App& root) {
    auto* app = root.add_subcommand("describe-eif", "Shows what an enclave image is");
    const auto arguments = std::make_shared<DescribeEifArguments>();
    expects(app->add_option("--eif-path", arguments->eif_path, "Enclave image file"), Expects::file)
        ->required();
    const auto format = add_layout_option(*app);
    return {app, [arguments, format]() -> Outcome {
                arguments->table = *format == "table";
                return Invocation(*arguments);
            }};
}

Verb add_sign_eif(CLI::App& root) {
    auto* app = root.add_subcommand("sign-eif", "Signs an enclave image, in its place");
    const auto arguments = std::make_shared<SignEifArguments>();
    expects(app->add_option("--eif-path", arguments->eif_path, "Enclave image file"),
            Expects::file);
    add_signer(*app, *arguments);
    return {app, as_they_are(arguments)};
}

Verb add_pcr(CLI::App& root) {
    auto* app = root.add_subcommand("pcr", "Computes the register of a file or certificate");
    const auto arguments = std::make_shared<PcrArguments>();
    auto* certificate =
        expects(app->add_option("--signing-certificate", arguments->signing_certificate,
                                "Certificate in PEM, for PCR8"),
                Expects::file);
    auto* input =
        expects(app->add_option("--input", arguments->input, "File to measure"), Expects::file);
    // The analyzer loses sight of who owns what std::function allocates.
    // NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks)
    return {app, as_they_are(arguments), exactly_one({certificate, input})};
}
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)

Verb add_explain(CLI::App& root) {
    auto* app = root.add_subcommand("explain", "Explains an error code");
    const auto arguments = std::make_shared<ExplainArguments>();
    expects(app->add_option("--error-code", arguments->error_code, "Code, such as E26"),
            Expects::error_code)
        ->required();
    return {app, as_they_are(arguments)};
}

std::shared_ptr<std::string> add_output_option(CLI::App& app,
                                               const std::vector<std::string>& formats = {"text",
                                                                                          "json"}) {
    auto format = std::make_shared<std::string>("text");
    app.add_option("--output", *format, "How to print it")->check(CLI::IsMember(formats));
    return format;
}

Verb add_validate_eif(CLI::App& root) {
    auto* app = root.add_subcommand("validate-eif",
                                    "Tells whether an enclave image would start, and why not");
    const auto arguments = std::make_shared<ValidateEifArguments>();
    const auto memory = std::make_shared<Text>();
    const auto count = std::make_shared<Text>();
    expects(app->add_option("--eif-path", arguments->eif_path, "Enclave image file"), Expects::file)
        ->required();
    app->add_option("--memory", *memory, "Memory that run-enclave would be given");
    app->add_option("--cpu-count", *count, "Number of CPUs that run-enclave would be given");
    const auto format = add_output_option(*app);
    app->footer(
        "Exit status: 0 it would start; else the number of the error that run-enclave would give: "
        "19 can't be opened, 22 or 29 CPUs, 26 or 27 memory, 35 malformed or for another machine, "
        "36 nothing to start in its "
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
    const auto id = std::make_shared<Text>();
    auto* plain_id = expects(app->add_option("ID", *id, "Id of the enclave"), Expects::any_enclave);
    auto* named_id = add_id(*app, arguments->selector);
    auto* name = add_name(*app, arguments->selector);
    app->add_flag("--follow", arguments->follow, "Go on until the enclave has ended");
    const auto tail = std::make_shared<Text>();
    app->add_option("--tail", *tail, "Show this many last lines of the log and of the console");
    return {app,
            [arguments, id, tail]() -> Outcome {
                LogsArguments out = *arguments;
                if (*id) {
                    out.selector.id = *id;
                }
                if (*tail) {
                    out.tail = 0;
                    if (auto error = take_number32(**tail, "tail", *out.tail)) {
                        return *std::move(error);
                    }
                }
                return Invocation(std::move(out));
            },
            exactly_one({plain_id, named_id, name})};
}

Verb add_ps(CLI::App& root) {
    auto* app = root.add_subcommand("ps", "Lists enclaves in a table");
    const auto all = std::make_shared<bool>(false);
    app->add_flag("--all", *all, "Also those that have ended, and why");
    // Its text is a table, as describe-enclaves calls it.
    const auto format = add_output_option(*app, {"text", "table", "json"});
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
    expects(
        app.add_option("--eif", options.arguments.eif_path,
                       "Enclave image that has to be the one that runs; with --pcrs or --pcr, all "
                       "of them have to hold"),
        Expects::file);
    expects(
        app.add_option("--pcrs", options.arguments.pcrs_path,
                       "JSON file of registers: {\"PCR0\": HEX or [HEX, ...], ...}, an array of "
                       "such alternatives, or what build-enclave and describe-eif print"),
        Expects::file);
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
    expects(
        app->add_option("--document", options->arguments.document,
                        "File, or - for standard input: the document itself when its first byte is "
                        "0x80 or more, else its base64"),
        Expects::file)
        ->required();
    expects(app->add_option("--root", options->arguments.roots,
                            "PEM file of root certificates to trust; may be given again"),
            Expects::file)
        ->required()
        ->allow_extra_args(false);
    add_expectations(*app, *options);
    options->format = add_output_option(*app);
    app->add_flag("--explain", options->arguments.explain, "Show each step with its result");
    expects(app->add_option("--write-public-key", options->arguments.write_public_key,
                            "File to write the verified document's public key to"),
            Expects::file);
    expects(app->add_option("--write-user-data", options->arguments.write_user_data,
                            "File to write the verified document's user data to"),
            Expects::file);
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

Verb add_completion(CLI::App& root) {
    auto* app = root.add_subcommand("completion", "Prints a script that completes command lines");
    const auto arguments = std::make_shared<CompletionArguments>();
    app->add_option("SHELL", arguments->shell, "Shell that the script is for")
        ->check(CLI::IsMember(std::vector<std::string>{"bash", "zsh"}))
        ->required();
    return {app, as_they_are(arguments)};
}

constexpr std::string_view kNitroCli = "nitro-cli";

bool called_as_nitro_cli(std::string_view program) {
    return program.substr(program.rfind('/') + 1) == kNitroCli;
}

// CommandLine: all of it.
struct CommandLine {
    CLI::App app;
    std::vector<Verb> verbs;

    CommandLine(const std::string& name, std::string_view acceleration);
    [[nodiscard]] command_line::Command description() const;
};

CommandLine::CommandLine(const std::string& name, std::string_view acceleration)
    : app("CLI for enclave lifetime management", name) {
    // nitro-cli's own first, in its order.
    verbs = {
        add_run_enclave(app, acceleration),
        add_terminate_enclave(app),
        add_build_enclave(app),
        add_describe_eif(app),
        add_describe_enclaves(app),
        add_console(app),
        add_pcr(app),
        add_explain(app),
        add_sign_eif(app),
        add_validate_eif(app),
        add_verify(app),
        add_doctor(app),
        add_ps(app),
        add_health(app),
        add_logs(app),
        add_completion(app),
    };
    auto* vsock = app.add_subcommand("vsock", "Talks to enclaves over vsock");
    verbs.push_back(add_vsock_connect(*vsock));
    verbs.push_back(add_vsock_listen(*vsock));
    add_authority(app, verbs);
}

command_line::Command CommandLine::description() const {
    std::vector<command_line::Unless> unless;
    for (const Verb& verb : verbs) {
        unless.insert(unless.end(), verb.unless.begin(), verb.unless.end());
    }
    auto command = command_line::describe(app, unless);
    const std::string title = command.name == kNitroCli ? "Nitro CLI" : command.name;
    command.version = title + " " + CASEMATE_VERSION;
    return command;
}

std::string name_for(const std::vector<std::string>& arguments) {
    const bool nitro = !arguments.empty() && called_as_nitro_cli(arguments[0]);
    return std::string(nitro ? kNitroCli : "casemate");
}

Parsed outcome_of(const Verb& verb) {
    Outcome outcome = verb.read();
    if (auto* error = std::get_if<CommandError>(&outcome)) {
        return std::move(*error);
    }
    return std::move(*std::get_if<Invocation>(&outcome));
}

}  // namespace

Parsed parse(const std::vector<std::string>& arguments, std::string_view acceleration) {
    CommandLine line(name_for(arguments), acceleration);
    const auto description = line.description();
    const auto rest = arguments.begin() + (arguments.empty() ? 0 : 1);
    auto judged = command_line::judge(description, std::vector<std::string>(rest, arguments.end()));
    if (auto* end = std::get_if<UsageEnd>(&judged)) {
        return std::move(*end);
    }
    const auto& accepted = *std::get_if<command_line::Accepted>(&judged);
    auto chosen = command_line::choose(line.app, description, accepted.path);
    if (auto end = command_line::apply(*chosen.app, *chosen.command, accepted.given)) {
        return *std::move(end);
    }
    const auto verb = std::find_if(line.verbs.begin(), line.verbs.end(),
                                   [&](const Verb& each) { return each.app == chosen.app; });
    return outcome_of(*verb);
}

command_line::Command describe_command_line(std::string_view program) {
    return CommandLine(std::string(program), {}).description();
}

}  // namespace casemate::cli
