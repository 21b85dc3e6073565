#include "guest/kms/tool.hpp"

#include <charconv>
#include <memory>

#include "base/file.hpp"
#include "codec/base64.hpp"
#include "guest/kms/client.hpp"
#include "guest/kms/tool_arguments.hpp"
#include "http/wire.hpp"

namespace casemate::kms_client {

namespace {

constexpr std::size_t kMaxInput = std::size_t{1} << 20U;
// KMS's own limit.
constexpr std::uint32_t kMaxRandom = 1024;
constexpr std::uint32_t kMaxSeconds = 86400;

Error misused(std::string sentence) {
    return {ClientErrc::bad_argument, std::move(sentence)};
}

Result<std::uint32_t> number_of(const Arguments& arguments, std::string_view name,
                                std::uint32_t otherwise, std::uint32_t most) {
    const auto text = arguments.value(name);
    if (!text) {
        return otherwise;
    }
    std::uint32_t value = 0;
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (text->empty() || problem != std::errc() || end != text->data() + text->size() ||
        value > most) {
        return misused("--" + std::string(name) + " must be a number of at most " +
                       std::to_string(most));
    }
    return value;
}

// Request: what is to be done.
struct Request {
    Command command = Command::decrypt;
    Parameters parameters;
    // operation of call.
    std::string operation;
    // data: the ciphertext, the plaintext, the public key; or call's JSON.
    SecretBytes data;
};

// Input: standard input, of which only one option can be.
class Input {
public:
    explicit Input(std::FILE* in) : in_(in) {}

    // read takes all there is. Errors: bad_argument for more than kMaxInput bytes and for the
    // second call.
    Result<SecretBytes> read() {
        if (std::exchange(taken_, true)) {
            return misused("only one of the options can be standard input");
        }
        SecretBytes room(kMaxInput + 1);
        const std::size_t size = std::fread(room.mutable_view().data(), 1, room.size(), in_);
        if (size > kMaxInput) {
            return misused("expected at most 1 MiB on standard input, found more");
        }
        const ByteView read = room.view().first(size);
        return SecretBytes(Bytes(read.begin(), read.end()));
    }

private:
    std::FILE* in_;
    bool taken_ = false;
};

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kSpace);
    return first == text.npos ? std::string_view()
                              : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// base64_option reads an option that holds base64, or says where it is.
Result<SecretBytes> base64_option(const Arguments& arguments, std::string_view name, Input& input) {
    const auto given = arguments.value(name);
    if (!given) {
        return misused("--" + std::string(name) + " must be set");
    }
    SecretBytes read;
    std::string_view text = *given;
    if (text == "-") {
        CASEMATE_TRY(read, input.read());
        text = trimmed(as_text(read.view()));
    }
    auto decoded = codec::decode_base64(text);
    if (!decoded) {
        // AWS's program does not call this a misuse.
        return Error(ClientErrc::internal, name == "ciphertext"
                                               ? "Ciphertext not a base64 string"
                                               : std::string(name) + " not a base64 string");
    }
    return SecretBytes(std::move(*decoded));
}

SecretBytes secret_text(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

// credential_in reads what `casemate-kms user add` and AWS's services write.
Result<sigv4::Credential> credential_in(ByteView json) {
    const auto fields = Fields::parse(as_text(json));
    if (!fields) {
        return misused("the credentials are not JSON: " + fields.error().detail());
    }
    const auto id = fields->text("AccessKeyId");
    const auto secret = fields->text("SecretAccessKey");
    if (!id || !secret) {
        return misused("the credentials must have AccessKeyId and SecretAccessKey");
    }
    const auto token = fields->text("SessionToken");
    return sigv4::Credential{std::string(*id), secret_text(*secret),
                             secret_text(token ? *token : fields->text("Token").value_or(""))};
}

Result<sigv4::Credential> credential_file(std::string_view path, Input& input) {
    if (path == "-") {
        CASEMATE_TRY(const SecretBytes read, input.read());
        return credential_in(read.view());
    }
    auto read = read_file(std::string(path), kMaxInput);
    if (!read) {
        return misused(read.error().message());
    }
    const SecretBytes content(std::move(read).value());
    return credential_in(content.view());
}

// credential_of takes all of a credential from one place: options, a file, the environment.
Result<sigv4::Credential> credential_of(const Arguments& arguments, const ToolWorld& world,
                                        Input& input) {
    const auto id = arguments.value("aws-access-key-id");
    const auto secret = arguments.value("aws-secret-access-key");
    const auto token = arguments.value("aws-session-token");
    const auto file = arguments.value("credentials");
    if (file && !id && !secret && !token) {
        return credential_file(*file, input);
    }
    const auto variable = [&](const char* name) {
        const char* const value = world.variable(name);
        return std::string_view(value != nullptr ? value : "");
    };
    const bool by_options = id || secret || token;
    const std::string_view found_id = by_options ? id.value_or("") : variable("AWS_ACCESS_KEY_ID");
    const std::string_view found_secret =
        by_options ? secret.value_or("") : variable("AWS_SECRET_ACCESS_KEY");
    if (found_id.empty()) {
        return misused("--aws-access-key-id must be set");
    }
    if (found_secret.empty()) {
        return misused("--aws-secret-access-key must be set");
    }
    return sigv4::Credential{
        std::string(found_id), secret_text(found_secret),
        secret_text(by_options ? token.value_or("") : variable("AWS_SESSION_TOKEN"))};
}

Result<Options> options_of(const Arguments& arguments, const ToolWorld& world) {
    Options options;
    options.region = arguments.value("region").value_or(kDefaultRegion);
    options.host = arguments.text("endpoint-host");
    options.ca_file = arguments.text("ca-file");
    options.attest = world.attest;
    CASEMATE_TRY(options.address.port, number_of(arguments, "proxy-port", kProxyPort, UINT32_MAX));
    if (const auto address = arguments.value("connect")) {
        CASEMATE_TRY(options.address, parse_address(*address));
    }
    CASEMATE_TRY(const std::uint32_t seconds, number_of(arguments, "timeout", 30, kMaxSeconds));
    options.timeout = std::chrono::seconds(seconds);
    return options;
}

Result<> require_options(const Arguments& arguments,
                         std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        if (!arguments.value(name)) {
            return misused("--" + std::string(name) + " must be set");
        }
    }
    return {};
}

Result<> read_key_spec(const Arguments& arguments, Parameters& parameters) {
    CASEMATE_CHECK(require_options(arguments, {"key-id", "key-spec"}));
    const std::string spec = arguments.text("key-spec");
    if (spec != "AES-256" && spec != "AES-128") {
        return misused("Unknown key spec: " + spec);
    }
    parameters.key_spec = spec == "AES-256" ? "AES_256" : "AES_128";
    return {};
}

Result<> read_length(const Arguments& arguments, Parameters& parameters) {
    CASEMATE_CHECK(require_options(arguments, {"length"}));
    CASEMATE_TRY(parameters.number_of_bytes, number_of(arguments, "length", 0, UINT32_MAX));
    if (parameters.number_of_bytes == 0) {
        return misused("--length must be greater than 0");
    }
    if (parameters.number_of_bytes > kMaxRandom) {
        return misused("--length must be smaller or equal to 1024");
    }
    return {};
}

Result<> read_call(const Arguments& arguments, Input& input, Request& request) {
    CASEMATE_CHECK(require_options(arguments, {"operation"}));
    request.operation = arguments.text("operation");
    CASEMATE_TRY(request.data, input.read());
    return {};
}

Result<> read_data(const Arguments& arguments, std::string_view option, Input& input,
                   Request& request) {
    if (request.command != Command::decrypt) {
        CASEMATE_CHECK(require_options(arguments, {"key-id"}));
    }
    CASEMATE_TRY(request.data, base64_option(arguments, option, input));
    return {};
}

// read_special reads what is a command's own.
Result<> read_special(const Arguments& arguments, Input& input, Request& request) {
    switch (request.command) {
        case Command::genkey:
            return read_key_spec(arguments, request.parameters);
        case Command::genrandom:
            return read_length(arguments, request.parameters);
        case Command::genkeypair:
            request.parameters.key_spec = arguments.text("key-spec");
            return require_options(arguments, {"key-id", "key-spec"});
        case Command::call:
            return read_call(arguments, input, request);
        case Command::decrypt:
            return read_data(arguments, "ciphertext", input, request);
        case Command::derive:
            return read_data(arguments, "public-key", input, request);
        case Command::encrypt:
            return read_data(arguments, "plaintext", input, request);
    }
    return {};
}

Result<Request> request_of(Command command, const Arguments& arguments, Input& input) {
    Request request;
    request.command = command;
    request.parameters.key_id = arguments.text("key-id");
    request.parameters.algorithm = arguments.text("encryption-algorithm");
    for (const std::string_view pair : arguments.contexts) {
        const std::size_t equals = pair.find('=');
        if (equals == pair.npos || equals == 0) {
            return misused("--encryption-context must be NAME=VALUE");
        }
        request.parameters.context.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    }
    request.parameters.grant_tokens.assign(arguments.grant_tokens.begin(),
                                           arguments.grant_tokens.end());
    CASEMATE_CHECK(read_special(arguments, input, request));
    return request;
}

Outcome<Answer> carry_out(Client& client, const Request& request) {
    switch (request.command) {
        case Command::decrypt:
            return client.decrypt(request.data.view(), request.parameters);
        case Command::genkey:
            return client.generate_data_key(request.parameters);
        case Command::genrandom:
            return client.generate_random(request.parameters);
        case Command::genkeypair:
            return client.generate_data_key_pair(request.parameters);
        case Command::derive:
            return client.derive_shared_secret(request.data.view(), request.parameters);
        case Command::encrypt:
            return client.encrypt(request.data.view(), request.parameters);
        case Command::call:
            return client.call(request.operation, as_text(request.data.view()));
    }
    return Error(ClientErrc::internal, "no such command");
}

// append_line writes NAME: VALUE.
void append_line(std::string& text, std::string_view name, std::string_view value) {
    http::append_secret(text, name);
    http::append_secret(text, ": ");
    http::append_secret(text, value);
    http::append_secret(text, "\n");
}

std::string result_of(Command command, const Answer& answer) {
    struct Line {
        std::string_view name;
        std::string_view member;
    };
    constexpr std::array kLines{Line{"CIPHERTEXT", "CiphertextBlob"},
                                Line{"CIPHERTEXT", "PrivateKeyCiphertextBlob"},
                                Line{"PUBLIC_KEY", "PublicKey"}};
    std::string text;
    if (command == Command::call) {
        http::append_secret(text, answer.json);
        http::append_secret(text, "\n");
    } else {
        for (const Line& line : kLines) {
            if (const auto value = answer.fields.text(line.member)) {
                append_line(text, line.name, *value);
            }
        }
    }
    if (!answer.secret.empty()) {
        std::string encoded = codec::encode_base64(answer.secret.view());
        append_line(text, "PLAINTEXT", encoded);
        http::forget(encoded);
    }
    return text;
}

void say(std::FILE* err, std::string_view sentence) {
    std::fwrite(sentence.data(), 1, sentence.size(), err);
    std::fputc('\n', err);
}

ToolStatus failed(const ToolWorld& world, const CommandText& command, std::string_view why) {
    say(world.err, why);
    say(world.err, command.attempt);
    return kToolFailed;
}

ToolStatus stopped(const ToolWorld& world, const CommandText& command, const Error& error) {
    if (!error.is(ClientErrc::bad_argument)) {
        return failed(world, command, error.detail());
    }
    say(world.err, error.detail());
    return kToolMisused;
}

ToolStatus run_command(const ToolWorld& world, const CommandText& command,
                       const Arguments& arguments) {
    Input input(world.in);
    auto credential = credential_of(arguments, world, input);
    if (!credential) {
        return stopped(world, command, credential.error());
    }
    auto options = options_of(arguments, world);
    if (!options) {
        return stopped(world, command, options.error());
    }
    const auto request = request_of(command.command, arguments, input);
    if (!request) {
        return stopped(world, command, request.error());
    }
    const auto client = Client::create(std::move(options).value(), std::move(credential).value());
    if (!client) {
        return failed(world, command, failure_of(client.error()).text());
    }
    const auto answer = carry_out(**client, *request);
    if (!answer) {
        return failed(world, command, answer.error().text());
    }
    std::string text = result_of(command.command, answer.value());
    const bool written = std::fwrite(text.data(), 1, text.size(), world.out) == text.size() &&
                         std::fflush(world.out) == 0;
    http::forget(text);
    return written ? kToolDone : failed(world, command, "the answer could not be written");
}

}  // namespace

ToolStatus run_tool(std::span<const std::string_view> arguments, const ToolWorld& world) {
    const CommandText* const command =
        arguments.empty() ? nullptr : find_command(arguments.front());
    if (command == nullptr) {
        say(world.err, list_commands());
        return kToolMisused;
    }
    const auto parsed = parse_arguments(command->command, arguments.subspan(1));
    if (!parsed || parsed->asks_for_help) {
        say(world.err, (parsed ? "" : parsed.error().detail() + "\n") + usage(command->command));
        return kToolMisused;
    }
    return run_command(world, *command, *parsed);
}

}  // namespace casemate::kms_client
