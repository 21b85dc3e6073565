#include "guest/kms/tool_arguments.hpp"

#include <algorithm>

namespace casemate::kms_client {

namespace {

constexpr std::array kCommands{
    CommandText{Command::decrypt, "decrypt", "Decrypt a given ciphertext blob.",
                "Could not decrypt"},
    CommandText{Command::genkey, "genkey",
                "Generate a datakey from KMS encrypted with the given key id.",
                "Could not generate data key"},
    CommandText{Command::genrandom, "genrandom", "Generate a random byte string from KMS.",
                "Could not generate random bytes"},
    CommandText{Command::genkeypair, "genkeypair",
                "Generate a key pair, the private key encrypted with the given key id.",
                "Could not generate data key pair"},
    CommandText{Command::derive, "derive", "Derive a shared secret with another's public key.",
                "Could not derive shared secret"},
    CommandText{Command::encrypt, "encrypt", "Encrypt a given plaintext.", "Could not encrypt"},
    CommandText{Command::call, "call",
                "Any operation of KMS, with a request in JSON on standard input.",
                "Could not call KMS"},
};

constexpr unsigned bit(Command command) {
    return 1U << static_cast<unsigned>(command);
}
constexpr unsigned kAll = (1U << kCommands.size()) - 1;
constexpr unsigned kOfAws = bit(Command::decrypt) | bit(Command::genkey) | bit(Command::genrandom);
constexpr unsigned kWithKey = kAll & ~bit(Command::genrandom) & ~bit(Command::call);

struct Option {
    std::string_view name;
    // letter of AWS's short form; '\0' for options that AWS's program does not have.
    char letter;
    unsigned commands;
    std::string_view value;
    std::string_view meaning;
};

constexpr std::array kOptions{
    Option{"help", 'h', kAll, "", "Displays this message and exits"},
    Option{"region", 'r', kAll, "REGION", "AWS region to use for KMS. Default: 'us-east-1'"},
    Option{"proxy-port", 'x', kAll, "PORT", "Connect to KMS proxy on PORT. Default: 8000"},
    Option{"aws-access-key-id", 'k', kAll, "ACCESS_KEY_ID", "AWS access key ID"},
    Option{"aws-secret-access-key", 's', kAll, "SECRET_ACCESS_KEY", "AWS secret access key"},
    Option{"aws-session-token", 't', kAll, "SESSION_TOKEN",
           "Session token associated with the access key ID"},
    Option{"ciphertext", 'c', bit(Command::decrypt), "CIPHERTEXT",
           "base64-encoded ciphertext that need to decrypt, or - for standard input"},
    Option{"plaintext", '\0', bit(Command::encrypt), "PLAINTEXT",
           "base64-encoded plaintext, or - for standard input"},
    Option{"public-key", '\0', bit(Command::derive), "PUBLIC_KEY",
           "base64-encoded DER of the other side's public key, or - for standard input"},
    Option{"key-id", 'K', kWithKey, "KEY_ID",
           "key id, ARN or alias (of decrypt with symmetric keys: optional)"},
    Option{"key-spec", 'p', bit(Command::genkey) | bit(Command::genkeypair), "KEY_SPEC",
           "The key spec used to create the key (genkey: AES-256 or AES-128; genkeypair: RSA_2048, "
           "ECC_NIST_P256, …)"},
    Option{"encryption-algorithm", 'a', bit(Command::decrypt) | bit(Command::encrypt),
           "ENCRYPTION_ALGORITHM", "encryption algorithm for ciphertext"},
    Option{"length", 'l', bit(Command::genrandom), "NO_OF_BYTES",
           "The length of the random byte string"},
    Option{"operation", '\0', bit(Command::call), "OPERATION", "The operation's name: Sign"},
    Option{"encryption-context", '\0', kWithKey & ~bit(Command::derive), "NAME=VALUE",
           "What the ciphertext is for; may be given several times"},
    Option{"grant-token", '\0', kWithKey, "TOKEN", "May be given several times"},
    Option{"credentials", '\0', kAll, "FILE",
           "The credentials as JSON {\"AccessKeyId\", \"SecretAccessKey\", \"SessionToken\"}, "
           "- for standard input. Default: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and "
           "AWS_SESSION_TOKEN of the environment"},
    Option{"ca-file", '\0', kAll, "FILE",
           "The certificates that vouch for KMS. Default: what AWS_CA_BUNDLE or SSL_CERT_FILE "
           "names, /etc/ssl/certs/ca-certificates.crt"},
    Option{"endpoint-host", '\0', kAll, "HOST",
           "What KMS's certificate must be for. Default: kms.REGION.amazonaws.com"},
    Option{"connect", '\0', kAll, "ADDRESS",
           "Instead of --proxy-port: vsock:CID:PORT, unix:PATH or tcp:IP:PORT"},
    Option{"timeout", '\0', kAll, "SECONDS", "To connect, and again to be answered. Default: 30"},
};

const Option* find_option(std::string_view given) {
    const bool is_long = given.starts_with("--");
    const auto* const found =
        std::find_if(kOptions.begin(), kOptions.end(), [&](const Option& option) {
            return is_long ? option.name == given.substr(2)
                           : option.letter != '\0' && given.size() == 2 && given[0] == '-' &&
                                 given[1] == option.letter;
        });
    return found != kOptions.end() ? found : nullptr;
}

// passed_over tells whether AWS's program would take an option that is another command's.
bool passed_over(Command command, const Option& option) {
    return option.letter != '\0' && command != Command::decrypt && (bit(command) & kOfAws) != 0;
}

}  // namespace

std::span<const CommandText> commands() {
    return kCommands;
}

const CommandText* find_command(std::string_view name) {
    const auto* const found = std::find_if(kCommands.begin(), kCommands.end(),
                                           [&](const auto& one) { return one.name == name; });
    return found != kCommands.end() ? found : nullptr;
}

std::optional<std::string_view> Arguments::value(std::string_view name) const {
    const auto found = options.find(name);
    return found != options.end() ? std::optional(found->second) : std::nullopt;
}

std::string Arguments::text(std::string_view name) const {
    return std::string(value(name).value_or(""));
}

Result<Arguments> parse_arguments(Command command, std::span<const std::string_view> given) {
    Arguments arguments;
    while (!given.empty()) {
        std::string_view word = given.front();
        given = given.subspan(1);
        std::optional<std::string_view> value;
        if (const std::size_t equals = word.find('=');
            word.starts_with("--") && equals != word.npos) {
            value = word.substr(equals + 1);
            word = word.substr(0, equals);
        }
        const Option* const option = find_option(word);
        if (option == nullptr ||
            ((option->commands & bit(command)) == 0 && !passed_over(command, *option))) {
            return Error(ClientErrc::bad_argument, "Unknown option: " + std::string(word));
        }
        if (option->name == "help") {
            arguments.asks_for_help = true;
            return arguments;
        }
        if (!value) {
            if (given.empty()) {
                return Error(ClientErrc::bad_argument,
                             "--" + std::string(option->name) + " must have a value");
            }
            value = given.front();
            given = given.subspan(1);
        }
        if (option->name == "encryption-context") {
            arguments.contexts.push_back(*value);
        } else if (option->name == "grant-token") {
            arguments.grant_tokens.push_back(*value);
        } else {
            arguments.options[option->name] = *value;
        }
    }
    return arguments;
}

std::string list_commands() {
    std::string text = "usage: kmstool_enclave_cli [command]\n\n Commands: \n\n";
    for (const CommandText& command : kCommands) {
        text += "    " + std::string(command.name) + ": " + std::string(command.summary) + "\n";
    }
    return text;
}

std::string usage(Command command) {
    std::string text = "usage: kmstool_enclave_cli ";
    for (const CommandText& one : kCommands) {
        text += one.command == command ? one.name : "";
    }
    text += " [options]\n\n Options: \n\n";
    for (const Option& option : kOptions) {
        if ((option.commands & bit(command)) != 0) {
            text += "    --" + std::string(option.name);
            text += option.value.empty() ? "" : " " + std::string(option.value);
            text += ": " + std::string(option.meaning) + "\n";
        }
    }
    return text;
}

}  // namespace casemate::kms_client
