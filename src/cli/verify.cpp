#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "attestation/verifier.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "cli/values.hpp"
#include "cli/verbs.hpp"
#include "cli/verified_document.hpp"
#include "codec/base64.hpp"
#include "crypto/certificate.hpp"

namespace casemate::cli {

namespace {

using attestation::AttestationErrc;
using attestation::ExpectedPcrs;
using attestation::Policy;
using attestation::VerifiedDocument;
using attestation::Verifier;

constexpr std::uint64_t kMaxInput = 1ULL << 20U;
constexpr int kRefusedStatus = 1;

CommandError file_error(const std::string& path, std::string_view operation, const Error& error) {
    return {ErrorCode::file_operation, "File: '" + path + "', failing operation: '" +
                                           std::string(operation) + "'. " + error.message()};
}

Result<Bytes> read_standard_input() {
    Bytes bytes;
    Bytes chunk(1UL << 16U);
    while (true) {
        CASEMATE_TRY(const std::size_t size, read_some(STDIN_FILENO, chunk));
        if (size == 0) {
            return bytes;
        }
        bytes.insert(bytes.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(size));
        if (bytes.size() > kMaxInput) {
            return os_error("more than " + std::to_string(kMaxInput) + " bytes", EFBIG);
        }
    }
}

// as_document takes base64, with line breaks as the base64 program makes them, for what it encodes.
// No document begins with a byte of ASCII: the head of a CBOR array or tag is 0x80 or more. What is
// neither is left to the verifier to refuse.
Bytes as_document(Bytes bytes) {
    if (bytes.empty() || bytes.front() >= 0x80) {
        return bytes;
    }
    std::string text;
    for (const std::uint8_t byte : bytes) {
        const char character = static_cast<char>(byte);
        if (std::string_view(" \t\r\n").find(character) == std::string_view::npos) {
            text += character;
        }
    }
    auto decoded = codec::decode_base64(text);
    return decoded ? *std::move(decoded) : std::move(bytes);
}

Value<Bytes> read_document(const std::string& path) {
    auto bytes = path == "-" ? read_standard_input() : read_file(path, kMaxInput);
    if (!bytes) {
        return file_error(path, "Read", bytes.error());
    }
    return as_document(std::move(*bytes));
}

Value<Verifier> make_verifier(const std::vector<std::string>& paths) {
    std::vector<crypto::Certificate> roots;
    for (const std::string& path : paths) {
        const auto pem = read_file(path, kMaxInput);
        if (!pem) {
            return file_error(path, "Read", pem.error());
        }
        auto certificates = crypto::Certificate::all_from_pem(*pem);
        if (!certificates) {
            return CommandError{ErrorCode::invalid_argument,
                                path + ": " + certificates.error().message()};
        }
        std::move(certificates->begin(), certificates->end(), std::back_inserter(roots));
    }
    auto verifier = Verifier::create(std::move(roots));
    if (!verifier) {
        return CommandError{ErrorCode::invalid_argument, verifier.error().message()};
    }
    return std::move(*verifier);
}

Value<ExpectedPcrs> read_pcrs_file(const std::string& path) {
    const auto json = read_file(path, kMaxInput);
    if (!json) {
        return file_error(path, "Read", json.error());
    }
    auto expected = ExpectedPcrs::from_json(as_text(*json));
    if (!expected) {
        return CommandError{ErrorCode::invalid_argument, path + ": " + expected.error().message()};
    }
    return std::move(*expected);
}

Value<ExpectedPcrs> measure_image(const std::string& path) {
    const auto image = open_file(path, O_RDONLY);
    if (!image) {
        return file_error(path, "Open", image.error());
    }
    auto expected = ExpectedPcrs::from_eif(image->get());
    if (!expected) {
        return CommandError{ErrorCode::eif_parsing, path + ": " + expected.error().message()};
    }
    return std::move(*expected);
}

// narrow makes a document have to meet what was read as well.
std::optional<CommandError> narrow(ExpectedPcrs& expected, const Value<ExpectedPcrs>& read) {
    if (const auto* error = std::get_if<CommandError>(&read)) {
        return *error;
    }
    const auto combined = expected.combine(*std::get_if<ExpectedPcrs>(&read));
    if (!combined) {
        return CommandError{ErrorCode::invalid_argument, combined.error().message()};
    }
    return std::nullopt;
}

Value<ExpectedPcrs> read_expected(const VerifyArguments& arguments) {
    ExpectedPcrs expected;
    if (!arguments.pcrs.empty()) {
        expected.add_alternative(arguments.pcrs);
    }
    if (arguments.pcrs_path) {
        if (auto error = narrow(expected, read_pcrs_file(*arguments.pcrs_path))) {
            return *std::move(error);
        }
    }
    if (arguments.eif_path) {
        if (auto error = narrow(expected, measure_image(*arguments.eif_path))) {
            return *std::move(error);
        }
    }
    return expected;
}

attestation::Time now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

Policy make_policy(const VerifyArguments& arguments, ExpectedPcrs expected) {
    Policy policy;
    policy.now = arguments.at.value_or(now());
    policy.at_document_time = arguments.at_document_time;
    policy.max_age = arguments.max_age;
    policy.nonce = arguments.nonce;
    policy.pcrs = std::move(expected);
    if (arguments.require_isolation) {
        policy.isolation = {*arguments.require_isolation};
    }
    policy.isolation.insert(arguments.allow_isolation.begin(), arguments.allow_isolation.end());
    policy.allow_debug = arguments.allow_debug;
    return policy;
}

void say_what_is_not_proven(const Policy& policy, Output& output) {
    if (!policy.nonce && !policy.max_age) {
        output.say("note: nothing proves that this document is fresh; see --nonce and --max-age");
    }
    if (policy.pcrs.empty()) {
        output.say("note: this verifies who signed, not what runs; see --eif, --pcrs and --pcr");
    }
}

std::optional<CommandError> write_field(const std::optional<std::string>& path,
                                        const std::optional<Bytes>& field, std::string_view name) {
    if (!path) {
        return std::nullopt;
    }
    if (!field) {
        return CommandError{ErrorCode::file_operation,
                            "File: '" + *path + "', failing operation: 'Write'. The document " +
                                "carries no " + std::string(name)};
    }
    const auto written = write_file_atomically(*path, *field);
    if (!written) {
        return file_error(*path, "Write", written.error());
    }
    return std::nullopt;
}

std::optional<CommandError> write_fields(const VerifyArguments& arguments,
                                         const VerifiedDocument& document) {
    const attestation::Contents& contents = document.contents();
    if (auto error = write_field(arguments.write_public_key, contents.public_key, "public key")) {
        return error;
    }
    return write_field(arguments.write_user_data, contents.user_data, "user data");
}

int print(const VerifyArguments& arguments, Json json, const std::string& text,
          const attestation::Report& report, Output& output) {
    if (arguments.json) {
        if (arguments.explain) {
            auto steps = Json::parse(attestation::report_json(report));
            json.add("Steps", steps ? std::move(*steps) : Json());
        }
        return output.result(json);
    }
    return output.text(arguments.explain ? steps_text(report) + "\n" + text : text);
}

int refuse(const VerifyArguments& arguments, const Error& error, const attestation::Report& report,
           Output& output) {
    const auto code = error.code_as<AttestationErrc>().value_or(AttestationErrc::bad_expectation);
    const int printed =
        print(arguments, refused_json(code, error), refused_text(code, error), report, output);
    return printed != 0 ? printed : kRefusedStatus;
}

}  // namespace

int verify(const VerifyArguments& arguments, Output& output) {
    output.set_action("Verify Document");
    const auto verifier = make_verifier(arguments.roots);
    if (const auto* error = std::get_if<CommandError>(&verifier)) {
        return output.fail(*error);
    }
    auto expected = read_expected(arguments);
    if (const auto* error = std::get_if<CommandError>(&expected)) {
        return output.fail(*error);
    }
    const auto document = read_document(arguments.document);
    if (const auto* error = std::get_if<CommandError>(&document)) {
        return output.fail(*error);
    }
    const Policy policy = make_policy(arguments, std::move(*std::get_if<ExpectedPcrs>(&expected)));
    attestation::Report report;
    const auto verified = std::get_if<Verifier>(&verifier)->verify(
        *std::get_if<Bytes>(&document), policy, arguments.explain ? &report : nullptr);
    if (!verified) {
        return refuse(arguments, verified.error(), report, output);
    }
    if (const auto error = write_fields(arguments, *verified)) {
        return output.fail(*error);
    }
    say_what_is_not_proven(policy, output);
    return print(arguments, verified_json(*verified), verified_text(*verified), report, output);
}

}  // namespace casemate::cli
