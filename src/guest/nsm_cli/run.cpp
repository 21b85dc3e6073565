#include "guest/nsm_cli/run.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "codec/base64.hpp"
#include "guest/init/text.hpp"
#include "guest/nsm_cli/arguments.hpp"
#include "guest/nsm_cli/text.hpp"

namespace casemate::nsm_cli {

namespace {

constexpr std::string_view kUsage =
    R"(nsm-cli: asks the security module of this enclave (/dev/nsm).

  nsm-cli describe [--text]
      The module: its identity, its registers, which of them are locked. JSON, or NAME: VALUE lines.

  nsm-cli pcr INDEX [--text]
      A register (PCR). JSON, or its value alone, in hexadecimal.

  nsm-cli extend INDEX (TEXT | --hex HEX | --file FILE) [--text]
      Makes the register SHA384(its value || the data), and shows it. 0 to 15 are locked.

  nsm-cli lock INDEX
  nsm-cli lock --range COUNT
      Locks a register, or those below COUNT, for good. Documents carry the locked registers.

  nsm-cli attest [--user-data TEXT | --user-data-file FILE] [--nonce HEX] [--public-key FILE]
                 [--output FILE] [--base64]
      An attestation document (CBOR: an untagged COSE_Sign1) that carries what is given, each up to
      1,024 bytes. The public key is taken as it is; DER is what others expect.

  nsm-cli random [BYTES] [--raw]
      Random bytes of the module (default: 32), in hexadecimal.

FILE may be - for standard input or output. Exit status: 0 done, 1 refused or failed, 2 bad arguments,
3 no security module (not in an enclave?).
)";

// More than any request may have, so that what is cut here is refused there.
constexpr std::uint64_t kMaxInput = 65536;
constexpr std::uint32_t kMaxRandom = 1U << 20U;
constexpr std::uint32_t kDefaultRandom = 32;

Error misused(std::string_view expected, std::string_view found) {
    return {CliErrc::misused,
            "expected " + std::string(expected) + ", found " + std::string(found)};
}

Result<SecurityModule> open_module() {
    auto module = SecurityModule::open();
    if (module) {
        return std::move(*module);
    }
    if (errno == ENOENT) {
        return Error(
            CliErrc::no_module,
            "expected the security module's device /dev/nsm, found none: not in an enclave?");
    }
    return Error(CliErrc::no_module,
                 "expected to open /dev/nsm, found: " + std::string(std::strerror(errno)));
}

Error refused(std::string_view what, ErrorCode code) {
    return {CliErrc::refused, "the security module refused " + std::string(what) + ": " +
                                  std::string(casemate::describe(code)) + " (" +
                                  std::string(name_of(code)) + ")"};
}

Result<> print(std::FILE* out, std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), out) != text.size() || std::fflush(out) != 0) {
        return Error(CliErrc::refused, "expected to write to standard output, found: " +
                                           std::string(std::strerror(errno)));
    }
    return {};
}

Result<std::uint16_t> number(std::string_view what, std::string_view text) {
    const auto value = guest::parse_decimal(text, UINT16_MAX);
    if (!value) {
        return misused(std::string(what) + " from 0 to 65535", text);
    }
    return static_cast<std::uint16_t>(*value);
}

Result<std::uint16_t> index_of(const Arguments& arguments) {
    if (arguments.words.empty()) {
        return misused("a register's INDEX", "none");
    }
    return number("a register's INDEX", arguments.words[0]);
}

Result<Bytes> hexadecimal(std::string_view option, std::string_view text) {
    auto bytes = from_hex(text);
    if (!bytes) {
        return misused("pairs of hexadecimal digits after " + std::string(option), text);
    }
    return std::move(*bytes);
}

Result<Bytes> contents(std::string_view path) {
    auto bytes = read_file(path == "-" ? "/dev/stdin" : std::string(path), kMaxInput);
    if (!bytes) {
        return Error(CliErrc::refused, bytes.error().message());
    }
    return bytes;
}

// optional_bytes gives what fits the first of the options that is there.
Result<std::optional<Bytes>> optional_bytes(const Arguments& arguments, std::string_view text,
                                            std::string_view hex, std::string_view file) {
    if (const auto value = arguments.value(text)) {
        const ByteView bytes = as_bytes(*value);
        return std::optional(Bytes(bytes.begin(), bytes.end()));
    }
    if (const auto value = arguments.value(hex)) {
        CASEMATE_TRY(auto bytes, hexadecimal("--" + std::string(hex), *value));
        return std::optional(std::move(bytes));
    }
    if (const auto value = arguments.value(file)) {
        CASEMATE_TRY(auto bytes, contents(*value));
        return std::optional(std::move(bytes));
    }
    return std::optional<Bytes>();
}

Result<> run_describe(const Arguments& arguments, std::FILE* out) {
    CASEMATE_TRY(const SecurityModule module, open_module());
    const auto description = module.describe();
    if (!description) {
        return refused("to describe itself", description.error());
    }
    return print(out,
                 arguments.has("text") ? describe_text(*description) : describe_json(*description));
}

Result<> print_pcr(const Arguments& arguments, std::uint16_t index, const NsmPcr& pcr,
                   std::FILE* out) {
    return print(out, arguments.has("text") ? to_hex(pcr.value) + "\n" : pcr_json(index, pcr));
}

Result<> run_pcr(const Arguments& arguments, std::FILE* out) {
    CASEMATE_TRY(const std::uint16_t index, index_of(arguments));
    CASEMATE_TRY(const SecurityModule module, open_module());
    const auto pcr = module.pcr(index);
    if (!pcr) {
        return refused("register " + std::to_string(index), pcr.error());
    }
    return print_pcr(arguments, index, *pcr, out);
}

Result<> run_extend(const Arguments& arguments, std::FILE* out) {
    CASEMATE_TRY(const std::uint16_t index, index_of(arguments));
    const std::size_t sources = arguments.words.size() - 1 + (arguments.has("hex") ? 1 : 0) +
                                (arguments.has("file") ? 1 : 0);
    if (sources != 1) {
        return misused("one of TEXT, --hex HEX and --file FILE",
                       sources == 0 ? "none" : std::to_string(sources));
    }
    CASEMATE_TRY(auto data, optional_bytes(arguments, "", "hex", "file"));
    if (!data) {
        const ByteView text = as_bytes(arguments.words[1]);
        data.emplace(text.begin(), text.end());
    }
    CASEMATE_TRY(const SecurityModule module, open_module());
    auto value = module.extend(index, *data);
    if (!value) {
        return refused("to extend register " + std::to_string(index), value.error());
    }
    return print_pcr(arguments, index, {std::move(*value), false}, out);
}

Result<> run_lock(const Arguments& arguments, std::FILE*) {
    const auto range = arguments.value("range");
    if (range.has_value() == !arguments.words.empty()) {
        return misused("either INDEX or --range COUNT", range ? "both" : "none");
    }
    CASEMATE_TRY(const std::uint16_t last, range ? number("a COUNT", *range) : index_of(arguments));
    CASEMATE_TRY(const SecurityModule module, open_module());
    const ErrorCode code = range ? module.lock_range(last) : module.lock(last);
    if (code != ERROR_CODE_SUCCESS) {
        return refused(
            (range ? "to lock the registers below " : "to lock register ") + std::to_string(last),
            code);
    }
    return {};
}

Result<> write_document(const Arguments& arguments, const std::vector<std::uint8_t>& document,
                        std::FILE* out) {
    const std::string text = arguments.has("base64") ? codec::encode_base64(document) + "\n"
                                                     : std::string(as_text(document));
    const std::string path(arguments.value("output").value_or("-"));
    if (path == "-") {
        return print(out, text);
    }
    auto written = write_file_atomically(path, as_bytes(text), 0644);
    if (!written) {
        return Error(CliErrc::refused, written.error().message());
    }
    return {};
}

Result<> run_attest(const Arguments& arguments, std::FILE* out) {
    if (arguments.has("user-data") && arguments.has("user-data-file")) {
        return misused("one of --user-data and --user-data-file", "both");
    }
    CASEMATE_TRY(const auto user_data,
                 optional_bytes(arguments, "user-data", "", "user-data-file"));
    CASEMATE_TRY(const auto nonce, optional_bytes(arguments, "", "nonce", ""));
    CASEMATE_TRY(const auto public_key, optional_bytes(arguments, "", "", "public-key"));
    if (!arguments.has("base64") && arguments.value("output").value_or("-") == "-" &&
        isatty(fileno(out)) == 1) {
        return misused("--base64 or --output FILE, since a document is binary", "a terminal");
    }
    CASEMATE_TRY(const SecurityModule module, open_module());
    const auto document =
        module.attest({.user_data = user_data, .nonce = nonce, .public_key = public_key});
    if (!document) {
        return refused("to attest", document.error());
    }
    return write_document(arguments, *document, out);
}

Result<> run_random(const Arguments& arguments, std::FILE* out) {
    std::uint32_t size = kDefaultRandom;
    if (!arguments.words.empty()) {
        const auto given = guest::parse_decimal(arguments.words[0], kMaxRandom);
        if (!given) {
            return misused("BYTES from 0 to " + std::to_string(kMaxRandom), arguments.words[0]);
        }
        size = *given;
    }
    CASEMATE_TRY(const SecurityModule module, open_module());
    Bytes bytes(size);
    if (const ErrorCode code = module.random(bytes); code != ERROR_CODE_SUCCESS) {
        return refused("random bytes", code);
    }
    return print(out, arguments.has("raw") ? std::string(as_text(bytes)) : to_hex(bytes) + "\n");
}

struct Command {
    std::string_view name;
    std::size_t words;
    std::vector<Option> options;
    Result<> (*run)(const Arguments& arguments, std::FILE* out);
};

const std::vector<Command>& commands() {
    static const std::vector<Command> kCommands{
        {"describe", 0, {{"text"}}, run_describe},
        {"pcr", 1, {{"text"}}, run_pcr},
        {"extend", 2, {{"text"}, {"hex", true}, {"file", true}}, run_extend},
        {"lock", 1, {{"range", true}}, run_lock},
        {"attest",
         0,
         {{"user-data", true},
          {"user-data-file", true},
          {"nonce", true},
          {"public-key", true},
          {"output", true},
          {"base64"}},
         run_attest},
        {"random", 1, {{"raw"}}, run_random},
    };
    return kCommands;
}

Result<> execute(const Command& command, std::span<const std::string_view> given, std::FILE* out) {
    CASEMATE_TRY(const Arguments arguments, parse_arguments(given, command.options, command.words));
    return command.run(arguments, out);
}

Status status_of(const Error& error) {
    if (error.is(CliErrc::misused)) {
        return kMisused;
    }
    return error.is(CliErrc::no_module) ? kNoModule : kFailed;
}

bool asks_for_help(std::span<const std::string_view> arguments) {
    for (const std::string_view argument : arguments) {
        if (argument == "--") {
            return false;
        }
        if (argument == "--help" || argument == "-h") {
            return true;
        }
    }
    return !arguments.empty() && arguments[0] == "help";
}

}  // namespace

Status run(std::span<const std::string_view> arguments, std::FILE* out, std::FILE* err) {
    if (asks_for_help(arguments)) {
        return print(out, kUsage) ? kDone : kFailed;
    }
    if (arguments.empty()) {
        std::fwrite(kUsage.data(), 1, kUsage.size(), err);
        return kMisused;
    }
    for (const Command& command : commands()) {
        if (command.name != arguments[0]) {
            continue;
        }
        const auto done = execute(command, arguments.subspan(1), out);
        if (done) {
            return kDone;
        }
        std::fprintf(err, "nsm-cli: %s\n", done.error().detail().c_str());
        if (done.error().is(CliErrc::misused)) {
            std::fprintf(err, "nsm-cli: nsm-cli --help shows how each command is called\n");
        }
        return status_of(done.error());
    }
    std::fprintf(err,
                 "nsm-cli: expected describe, pcr, extend, lock, attest or random, found %.*s\n",
                 static_cast<int>(arguments[0].size()), arguments[0].data());
    return kMisused;
}

}  // namespace casemate::nsm_cli
