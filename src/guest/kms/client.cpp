#include "guest/kms/client.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/file.hpp"
#include "codec/base64.hpp"
#include "http/client.hpp"
#include "http/wire.hpp"

namespace casemate::kms_client {

namespace {

// More than any answer of KMS has.
constexpr std::size_t kMaxAnswer = std::size_t{4} << 20U;
constexpr std::uint64_t kMaxCaFile = std::uint64_t{4} << 20U;
constexpr std::size_t kMaxRegion = 64;
constexpr std::size_t kMaxOperation = 64;

// Attested: an operation that takes a Recipient (formats.md 8.1), and the member of its answer that
// must then be void.
struct Attested {
    std::string_view operation;
    std::string_view plaintext;
};
constexpr std::array kAttested{
    Attested{"Decrypt", "Plaintext"},
    Attested{"DeriveSharedSecret", "SharedSecret"},
    Attested{"GenerateDataKey", "Plaintext"},
    Attested{"GenerateDataKeyPair", "PrivateKeyPlaintext"},
    Attested{"GenerateRandom", "Plaintext"},
};

const Attested* attested(std::string_view operation) {
    const auto* const found =
        std::find_if(kAttested.begin(), kAttested.end(),
                     [&](const Attested& one) { return one.operation == operation; });
    return found != kAttested.end() ? found : nullptr;
}

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= kMaxRegion &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

bool is_operation(std::string_view text) {
    return !text.empty() && text.size() <= kMaxOperation &&
           std::all_of(text.begin(), text.end(), [](char letter) {
               return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
           });
}

// as_our_own makes a reason of this room of one of HTTP's.
Error as_our_own(const Error& error) {
    ClientErrc code = ClientErrc::not_connected;
    switch (error.code_as<http::HttpErrc>().value_or(http::HttpErrc::connection_lost)) {
        case http::HttpErrc::bad_message:
        case http::HttpErrc::too_large:
            code = ClientErrc::bad_answer;
            break;
        case http::HttpErrc::timed_out:
            code = ClientErrc::timed_out;
            break;
        case http::HttpErrc::tls_failure:
            code = ClientErrc::untrusted_server;
            break;
        case http::HttpErrc::bad_argument:
            code = ClientErrc::bad_argument;
            break;
        case http::HttpErrc::connection_lost:
        case http::HttpErrc::closed_before_response:
        case http::HttpErrc::cannot_listen:
            break;
    }
    return {code, error.message()};
}

// printable is what may go to a terminal or a log.
std::string printable(std::string_view text) {
    std::string out(text);
    std::replace_if(
        out.begin(), out.end(),
        [](char letter) {
            const auto byte = static_cast<unsigned char>(letter);
            return byte < 0x20 || byte == 0x7f;
        },
        ' ');
    return out;
}

// exception_of takes the name out of "com.amazonaws.kms#NotFoundException:http://…".
std::string exception_of(std::string_view type) {
    type = type.substr(0, type.find(':'));
    const std::size_t hash = type.rfind('#');
    return printable(hash == type.npos ? type : type.substr(hash + 1));
}

std::string header_of(const http::Response& response, std::string_view name) {
    const std::string* const value = http::find_header(response.headers, name);
    return value != nullptr ? printable(*value) : std::string();
}

// refusal_of reads the answer of an operation that KMS refused.
Failure refusal_of(const http::Response& response) {
    Failure failure{"", "", response.status, header_of(response, "x-amzn-requestid")};
    if (const auto fields = Fields::parse(response.body)) {
        const auto lower = fields->text("message");
        failure.type = exception_of(fields->text("__type").value_or(""));
        failure.message = printable(lower ? *lower : fields->text("Message").value_or(""));
    }
    if (failure.type.empty()) {
        failure.type = exception_of(header_of(response, "x-amzn-errortype"));
    }
    if (failure.type.empty()) {
        failure.type = describe(ClientErrc::bad_answer);
        failure.message = "expected an answer of KMS, found the HTTP status " +
                          std::to_string(response.status) + " without an exception's name";
    }
    return failure;
}

// secret_of opens what is meant for this enclave, and refuses what anybody could read.
Result<SecretBytes> secret_of(const Fields& fields, const Attested& operation,
                              const Recipient& recipient) {
    if (!fields.is_void(operation.plaintext)) {
        return Error(ClientErrc::plaintext_answer,
                     "expected CiphertextForRecipient and no " + std::string(operation.plaintext) +
                         ", found one: the service has not looked at the attestation document");
    }
    CASEMATE_TRY(const Bytes envelope, fields.bytes("CiphertextForRecipient"));
    return recipient.open(envelope);
}

// key_size is that of a data key.
std::size_t key_size(const Parameters& parameters) {
    if (parameters.key_spec == "AES_256") {
        return 32;
    }
    return parameters.key_spec == "AES_128" ? 16 : parameters.number_of_bytes;
}

void put_common(ObjectWriter& request, const Parameters& parameters) {
    request.put_optional_text("KeyId", parameters.key_id);
    request.put_context("EncryptionContext", parameters.context);
    request.put_texts("GrantTokens", parameters.grant_tokens);
}

}  // namespace

std::string host_of(std::string_view region) {
    struct Suffix {
        std::string_view prefix;
        std::string_view suffix;
    };
    constexpr std::array kSuffixes{
        Suffix{"cn-", "amazonaws.com.cn"},    Suffix{"eusc-", "amazonaws.eu"},
        Suffix{"us-iso-", "c2s.ic.gov"},      Suffix{"us-isob-", "sc2s.sgov.gov"},
        Suffix{"eu-isoe-", "cloud.adc-e.uk"}, Suffix{"us-isof-", "csp.hci.ic.gov"},
    };
    std::string_view suffix = "amazonaws.com";
    for (const Suffix& one : kSuffixes) {
        if (region.starts_with(one.prefix)) {
            suffix = one.suffix;
        }
    }
    return "kms." + std::string(region) + "." + std::string(suffix);
}

std::string default_ca_file() {
    for (const char* const name : {"AWS_CA_BUNDLE", "SSL_CERT_FILE"}) {
        const char* const value = std::getenv(name);
        if (value != nullptr && *value != '\0') {
            return value;
        }
    }
    return "/etc/ssl/certs/ca-certificates.crt";
}

Client::Client(Options options, crypto::TlsClientContext tls, sigv4::Credential credential)
    : options_(std::move(options)),
      tls_(std::move(tls)),
      recipient_(options_.attest ? options_.attest : security_module()),
      credential_(std::make_shared<const sigv4::Credential>(std::move(credential))) {
}

Result<std::unique_ptr<Client>> Client::create(Options options, sigv4::Credential credential) {
    if (!is_region(options.region)) {
        return Error(ClientErrc::bad_argument, "expected a region like \"us-east-1\", found \"" +
                                                   printable(options.region) + "\"");
    }
    if (options.timeout <= std::chrono::milliseconds(0)) {
        return Error(ClientErrc::bad_argument, "expected a timeout above zero, found " +
                                                   std::to_string(options.timeout.count()) + " ms");
    }
    if (options.host.empty()) {
        options.host = host_of(options.region);
    }
    if (options.ca_file.empty()) {
        options.ca_file = default_ca_file();
    }
    const auto pem = read_file(options.ca_file, kMaxCaFile);
    if (!pem) {
        return Error(
            ClientErrc::bad_argument,
            "expected the certificates that vouch for KMS, found: " + pem.error().message());
    }
    auto tls = crypto::TlsClientContext::from_pem(*pem);
    if (!tls) {
        return Error(ClientErrc::bad_argument, "expected certificates in PEM in " +
                                                   options.ca_file +
                                                   ", found: " + tls.error().message());
    }
    return std::unique_ptr<Client>(
        new Client(std::move(options), std::move(tls).value(), std::move(credential)));
}

void Client::set_credential(sigv4::Credential credential) {
    auto shared = std::make_shared<const sigv4::Credential>(std::move(credential));
    const std::lock_guard lock(mutex_);
    credential_.swap(shared);
}

Result<http::Response> Client::post(std::string_view operation, std::string body) const {
    http::Request request{"POST", "/", {}, std::move(body), {}};
    request.headers = {{"Host", options_.host},
                       {"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", "TrentService." + std::string(operation)},
                       {"User-Agent", "casemate-kms-client"}};
    // Whatever happens, the body is not left behind.
    const std::unique_ptr<std::string, void (*)(std::string*)> forgotten(
        &request.body, [](std::string* text) { http::forget(*text); });
    const auto connected = std::chrono::steady_clock::now() + options_.timeout;
    CASEMATE_TRY(UniqueFd socket, connect_to(options_.address, connected));
    http::ClientLimits limits;
    limits.handshake = std::max(
        std::chrono::ceil<std::chrono::milliseconds>(connected - std::chrono::steady_clock::now()),
        std::chrono::milliseconds(1));
    limits.exchange = options_.timeout;
    limits.body_bytes = kMaxAnswer;
    auto connection =
        http::Connection::over(std::move(socket), http::TlsClient{tls_, options_.host}, limits);
    if (!connection) {
        return as_our_own(connection.error());
    }

    std::shared_ptr<const sigv4::Credential> credential;
    {
        const std::lock_guard lock(mutex_);
        credential = credential_;
    }
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    auto added =
        sigv4::sign({request.method, request.target, request.headers, as_bytes(request.body)},
                    *credential, {options_.region, "kms", now});
    if (!added) {
        return Error(ClientErrc::bad_argument, added.error().message());
    }
    std::move(added->begin(), added->end(), std::back_inserter(request.headers));
    auto response = connection->exchange(request);
    if (!response) {
        return as_our_own(response.error());
    }
    return response;
}

Result<std::string> Client::addressed(std::string_view request) {
    CASEMATE_TRY(const Bytes document, recipient_.document());
    return with_member(request, "Recipient",
                       R"({"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":")" +
                           codec::encode_base64(document) + "\"}");
}

Outcome<Answer> Client::call(std::string_view operation, std::string_view request) {
    if (!is_operation(operation)) {
        return Error(ClientErrc::bad_argument,
                     "expected an operation's name like \"Decrypt\", found another text");
    }
    const Attested* const recipients = attested(operation);
    std::string body;
    if (recipients != nullptr) {
        CASEMATE_TRY(body, addressed(request));
    } else {
        body = request;
    }
    CASEMATE_TRY(http::Response response, post(operation, std::move(body)));
    if (response.status != 200) {
        return refusal_of(response);
    }
    // Some operations answer nothing.
    CASEMATE_TRY(Fields fields, Fields::parse(response.body.empty() ? "{}" : response.body));
    SecretBytes secret;
    if (recipients != nullptr) {
        auto opened = secret_of(fields, *recipients, recipient_);
        if (!opened) {
            http::forget(response.body);
            return opened.error();
        }
        secret = std::move(opened).value();
    }
    return Answer{std::move(secret), std::move(response.body), std::move(fields),
                  header_of(response, "x-amzn-requestid")};
}

Outcome<Answer> Client::ask(std::string_view operation, ObjectWriter& request) {
    CASEMATE_TRY(std::string text, request.finish());
    auto answer = call(operation, text);
    http::forget(text);
    return answer;
}

Outcome<Answer> Client::ask_for(std::size_t size, std::string_view operation,
                                ObjectWriter& request) {
    auto answer = ask(operation, request);
    if (answer && answer->secret.size() != size) {
        return Error(ClientErrc::bad_answer, "expected " + std::to_string(size) +
                                                 " bytes of KMS, found " +
                                                 std::to_string(answer->secret.size()));
    }
    return answer;
}

Outcome<Answer> Client::decrypt(ByteView ciphertext, const Parameters& parameters) {
    ObjectWriter request;
    request.put_bytes("CiphertextBlob", ciphertext);
    request.put_optional_text("EncryptionAlgorithm", parameters.algorithm);
    put_common(request, parameters);
    return ask("Decrypt", request);
}

Outcome<Answer> Client::generate_data_key(const Parameters& parameters) {
    ObjectWriter request;
    request.put_optional_text("KeySpec", parameters.key_spec);
    if (parameters.number_of_bytes != 0) {
        request.put_number("NumberOfBytes", parameters.number_of_bytes);
    }
    put_common(request, parameters);
    return ask_for(key_size(parameters), "GenerateDataKey", request);
}

Outcome<Answer> Client::generate_data_key_pair(const Parameters& parameters) {
    ObjectWriter request;
    request.put_optional_text("KeyPairSpec", parameters.key_spec);
    put_common(request, parameters);
    return ask("GenerateDataKeyPair", request);
}

Outcome<Answer> Client::generate_random(const Parameters& parameters) {
    ObjectWriter request;
    request.put_number("NumberOfBytes", parameters.number_of_bytes);
    return ask_for(parameters.number_of_bytes, "GenerateRandom", request);
}

Outcome<Answer> Client::derive_shared_secret(ByteView public_key, const Parameters& parameters) {
    ObjectWriter request;
    request.put_text("KeyAgreementAlgorithm",
                     parameters.algorithm.empty() ? "ECDH" : parameters.algorithm);
    request.put_bytes("PublicKey", public_key);
    put_common(request, parameters);
    return ask("DeriveSharedSecret", request);
}

Outcome<Answer> Client::encrypt(ByteView plaintext, const Parameters& parameters) {
    ObjectWriter request;
    request.put_bytes("Plaintext", plaintext);
    request.put_optional_text("EncryptionAlgorithm", parameters.algorithm);
    put_common(request, parameters);
    return ask("Encrypt", request);
}

}  // namespace casemate::kms_client
