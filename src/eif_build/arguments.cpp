#include "eif_build/arguments.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <map>

#include "command_line/cli11.hpp"
#include "command_line/completion.hpp"

namespace casemate::eif_build {

namespace {

using command_line::expects;
using command_line::Expects;

const std::map<std::string, eif::Architecture> kArchitectures = {
    {"x86_64", eif::Architecture::x86_64}, {"aarch64", eif::Architecture::aarch64}};
const std::map<std::string, Algorithm> kAlgorithms = {
    {"sha256", Algorithm::sha256}, {"sha384", Algorithm::sha384}, {"sha512", Algorithm::sha512}};

// add_choice adds an option whose values are a map's keys.
template <class T>
void add_choice(CLI::App& app, const char* name, T& value, const std::map<std::string, T>& choices,
                const char* description) {
    std::vector<std::string> all;
    all.reserve(choices.size());
    for (const auto& [text, ignored] : choices) {
        all.push_back(text);
    }
    app.add_option_function<std::string>(
           name, [&value, &choices](const std::string& text) { value = choices.at(text); },
           description)
        ->check(CLI::IsMember(all));
}

void add_parts(CLI::App& app, Arguments& arguments) {
    expects(app.add_option("--kernel", arguments.kernel,
                           "Kernel: bzImage or ELF vmlinux for x86_64, Image for aarch64"),
            Expects::file)
        ->required();
    expects(app.add_option("--kernel_config", arguments.kernel_config,
                           "The kernel's configuration file, which says what kernel it is"),
            Expects::file);
    app.add_option("--cmdline", arguments.cmdline, "Command line of the kernel")->required();
    expects(app.add_option("--ramdisk", arguments.ramdisks,
                           "Ramdisk, a cpio archive or a compressed one; may be given again"),
            Expects::file)
        ->required()
        ->allow_extra_args(false);
    expects(app.add_option("--output", arguments.output, "Enclave image file to write"),
            Expects::file)
        ->required();
    add_choice(app, "--arch", arguments.architecture, kArchitectures,
               "Architecture of the image, x86_64 where it is not given");
    add_choice(app, "--algo", arguments.algorithm, kAlgorithms,
               "Digest of the measurements that are printed, sha384 where it is not given; "
               "enclaves are measured with SHA-384 alone");
}

void add_descriptions(CLI::App& app, Arguments& arguments) {
    app.add_option("--name", arguments.image_name,
                   "Name in the metadata; else the kernel's file name");
    app.add_option("--version", arguments.image_version, "Version in the metadata; else 1.0");
    expects(app.add_option("--metadata", arguments.metadata_file,
                           "JSON file with metadata of your own, of at most 4096 bytes"),
            Expects::file);
    app.add_option("--build-time", arguments.build_time,
                   "Build time in the metadata; else SOURCE_DATE_EPOCH's, else now");
    app.add_option("--build-tool", arguments.build_tool, "Build tool in the metadata");
    app.add_option("--build-tool-version", arguments.build_tool_version,
                   "Version of the build tool in the metadata");
    app.add_option("--img-os", arguments.operating_system,
                   "Operating system in the metadata; else --kernel_config's, else OS");
    app.add_option("--img-kernel", arguments.kernel_version,
                   "Kernel's version in the metadata; else --kernel_config's, else kernel");
}

void add_signer(CLI::App& app, Arguments& arguments) {
    auto* certificate =
        expects(app.add_option("--signing-certificate", arguments.signing_certificate,
                               "Certificate of the signer, in PEM"),
                Expects::file);
    auto* key =
        expects(app.add_option("--private-key", arguments.private_key,
                               "Key of the signer: a PEM file, the URI of a key in a token "
                               "(pkcs11:...), or the ARN of a key in KMS (arn:aws:kms:...)"),
                Expects::file);
    certificate->needs(key);
    key->needs(certificate);
}

}  // namespace

std::variant<Arguments, UsageEnd> parse(const std::vector<std::string>& arguments) {
    CLI::App app("Builds an enclave image of a kernel and ramdisks", "eif_build");
    Arguments read;
    add_parts(app, read);
    add_descriptions(app, read);
    add_signer(app, read);
    const auto description = command_line::describe(app);
    const std::vector<std::string> words(arguments.begin() + (arguments.empty() ? 0 : 1),
                                         arguments.end());
    // Arguments without an option mean nothing else here.
    if (words.size() == 2 && words[0] == "completion" && words[1] == "bash") {
        return UsageEnd{0, command_line::bash_completion(description, {description.name}), {}};
    }
    if (words.size() == 2 && words[0] == "completion" && words[1] == "zsh") {
        return UsageEnd{0, command_line::zsh_completion(description, {description.name}), {}};
    }
    auto judged = command_line::judge(description, words);
    if (auto* end = std::get_if<command_line::End>(&judged)) {
        return std::move(*end);
    }
    if (auto end = command_line::apply(app, description,
                                       std::get_if<command_line::Accepted>(&judged)->given)) {
        return *std::move(end);
    }
    return read;
}

}  // namespace casemate::eif_build
