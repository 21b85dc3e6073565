#include "guest/kms/client.hpp"

#include <algorithm>
#include <array>

#include "codec/base64.hpp"
#include "http/wire.hpp"

namespace casemate::kms_client {

namespace {

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

bool is_operation(std::string_view text) {
    return !text.empty() && text.size() <= kMaxOperation &&
           std::all_of(text.begin(), text.end(), [](char letter) {
               return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
           });
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

Client::Client(Service service, Attest attest, sigv4::Credential credential)
    : service_(std::move(service)),
      recipient_(std::move(attest)),
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
    CASEMATE_TRY(auto tls, trust(options.ca_file));
    Service service{std::move(options.region),  std::move(options.host), 0,
                    std::move(options.address), std::move(tls),          options.timeout};
    return std::unique_ptr<Client>(new Client(std::move(service),
                                              options.attest ? options.attest : security_module(),
                                              std::move(credential)));
}

void Client::set_credential(sigv4::Credential credential) {
    auto shared = std::make_shared<const sigv4::Credential>(std::move(credential));
    const std::lock_guard lock(mutex_);
    credential_.swap(shared);
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
    std::shared_ptr<const sigv4::Credential> credential;
    {
        const std::lock_guard lock(mutex_);
        credential = credential_;
    }
    CASEMATE_TRY(http::Response response, post(service_, operation, std::move(body), *credential));
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
                  request_id_of(response)};
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
