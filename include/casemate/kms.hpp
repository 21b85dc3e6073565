// KMS inside an enclave, for C++20 programs: the interface of casemate/kms.h with owners and
// values. Header only; link with -lcasemate-kms. It throws nothing but std::bad_alloc.
//
//     const auto kms = casemate::KmsClient::create({.access_key_id = id,
//                                                   .secret_access_key = secret});
//     if (!kms) { … kms.error().message … }
//     const auto answer = kms->decrypt(ciphertext, {.key_id = key,
//                                                   .encryption_context = {{"purpose",
//                                                   "database"}}});
//     if (!answer) { … answer.error().type …  answer.error().message … }
//     use(answer->secret());
#pragma once

#include <casemate/kms.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace casemate {

// KmsError: why there is no answer.
struct KmsError {
    // type: KMS's exception ("AccessDeniedException"), or one that casemate/kms.h lists.
    std::string type;
    std::string message;
    // status of HTTP where KMS refused; else 0.
    int status = 0;
    std::string request_id;
};

// KmsResult: a value, or an error. Ask which before taking either.
template <class T>
class [[nodiscard]] KmsResult {
public:
    // NOLINTBEGIN(google-explicit-constructor): values and errors turn into results silently.
    KmsResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    KmsResult(KmsError error) : state_(std::in_place_index<1>, std::move(error)) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& operator*() & { return *std::get_if<0>(&state_); }
    const T& operator*() const& { return *std::get_if<0>(&state_); }
    T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    [[nodiscard]] const KmsError& error() const { return *std::get_if<1>(&state_); }

private:
    std::variant<T, KmsError> state_;
};

// KmsAnswer: what KMS answered. Move-only; the secret is overwritten when it goes, and views are
// valid until then.
class KmsAnswer {
public:
    // secret is what came encrypted for this enclave; empty where nothing did.
    [[nodiscard]] std::span<const std::uint8_t> secret() const {
        std::size_t size = 0;
        const std::uint8_t* const data = casemate_kms_answer_secret(answer_.get(), &size);
        return {data, size};
    }
    // bytes decodes a member from base64 ("CiphertextBlob"); nothing where there is none.
    [[nodiscard]] std::optional<std::span<const std::uint8_t>> bytes(
        const std::string& member) const {
        std::size_t size = 0;
        const std::uint8_t* const data =
            casemate_kms_answer_bytes(answer_.get(), member.c_str(), &size);
        if (data == nullptr) {
            return std::nullopt;
        }
        return std::span(data, size);
    }
    // text is a member that is a text ("KeyId"); nothing where there is none.
    [[nodiscard]] std::optional<std::string_view> text(const std::string& member) const {
        const char* const found = casemate_kms_answer_text(answer_.get(), member.c_str());
        return found != nullptr ? std::optional<std::string_view>(found) : std::nullopt;
    }
    // json is the whole answer, which holds no secret of this enclave.
    [[nodiscard]] std::string_view json() const { return casemate_kms_answer_json(answer_.get()); }
    [[nodiscard]] std::string_view request_id() const {
        return casemate_kms_answer_request_id(answer_.get());
    }

private:
    friend class KmsClient;
    struct Free {
        void operator()(casemate_kms_answer* answer) const { casemate_kms_answer_free(answer); }
    };

    explicit KmsAnswer(casemate_kms_answer* answer) : answer_(answer) {}
    std::unique_ptr<casemate_kms_answer, Free> answer_;
};

// KmsOptions: as casemate_kms_options; what is empty has its default.
struct KmsOptions {
    // Attest gives an attestation document that carries a public key (DER); nothing where it can't.
    // It must not throw.
    using Attest = std::function<std::optional<std::vector<std::uint8_t>>(
        std::span<const std::uint8_t> public_key)>;

    std::string region = {};
    std::string host = {};
    std::string address = {};
    std::string ca_file = {};
    std::string access_key_id = {};
    std::string secret_access_key = {};
    std::string session_token = {};
    std::chrono::milliseconds timeout{30000};
    Attest attest = {};
};

// KmsRequest: as casemate_kms_request; what is empty is not sent.
struct KmsRequest {
    std::string key_id = {};
    std::string algorithm = {};
    std::string key_spec = {};
    std::uint32_t number_of_bytes = 0;
    std::vector<std::pair<std::string, std::string>> encryption_context = {};
    std::vector<std::string> grant_tokens = {};
};

// KmsClient: see casemate_kms_client_new and the operations in casemate/kms.h, where their errors
// are listed too. Several threads may use one.
class KmsClient {
public:
    // create reads the CA file; nothing is connected yet. Errors: bad_argument.
    [[nodiscard]] static KmsResult<KmsClient> create(const KmsOptions& given) {
        auto attest = std::make_unique<KmsOptions::Attest>(given.attest);
        casemate_kms_options options = {};
        options.size = sizeof(options);
        options.region = or_null(given.region);
        options.host = or_null(given.host);
        options.address = or_null(given.address);
        options.ca_file = or_null(given.ca_file);
        options.access_key_id = or_null(given.access_key_id);
        options.secret_access_key = or_null(given.secret_access_key);
        options.session_token = or_null(given.session_token);
        options.timeout_ms = static_cast<std::uint32_t>(given.timeout.count());
        if (*attest) {
            options.attest = make_document;
            options.attest_context = attest.get();
        }
        casemate_kms_error* error = nullptr;
        casemate_kms_client* const client = casemate_kms_client_new(&options, &error);
        if (client == nullptr) {
            return take(error);
        }
        return KmsClient(client, std::move(attest));
    }

    // set_credentials is for temporary ones, which expire. Nothing, or bad_argument.
    [[nodiscard]] std::optional<KmsError> set_credentials(const std::string& access_key_id,
                                                          const std::string& secret_access_key,
                                                          const std::string& session_token) const {
        casemate_kms_error* error = nullptr;
        if (!casemate_kms_client_set_credentials(client_.get(), access_key_id.c_str(),
                                                 secret_access_key.c_str(), or_null(session_token),
                                                 &error)) {
            return take(error);
        }
        return std::nullopt;
    }

    [[nodiscard]] KmsResult<KmsAnswer> decrypt(std::span<const std::uint8_t> ciphertext,
                                               const KmsRequest& request = {}) const {
        return operate(casemate_kms_decrypt, request, ciphertext);
    }
    [[nodiscard]] KmsResult<KmsAnswer> generate_data_key(const KmsRequest& request) const {
        return operate(casemate_kms_generate_data_key, request);
    }
    [[nodiscard]] KmsResult<KmsAnswer> generate_data_key_pair(const KmsRequest& request) const {
        return operate(casemate_kms_generate_data_key_pair, request);
    }
    [[nodiscard]] KmsResult<KmsAnswer> generate_random(std::uint32_t number_of_bytes) const {
        return operate(casemate_kms_generate_random, {.number_of_bytes = number_of_bytes});
    }
    // derive_shared_secret takes the other side's public key in DER.
    [[nodiscard]] KmsResult<KmsAnswer> derive_shared_secret(
        std::span<const std::uint8_t> public_key, const KmsRequest& request) const {
        return operate(casemate_kms_derive_shared_secret, request, public_key);
    }
    [[nodiscard]] KmsResult<KmsAnswer> encrypt(std::span<const std::uint8_t> plaintext,
                                               const KmsRequest& request) const {
        return operate(casemate_kms_encrypt, request, plaintext);
    }
    // call is any operation by its name, with a request in JSON.
    [[nodiscard]] KmsResult<KmsAnswer> call(const std::string& operation,
                                            std::string_view request) const {
        casemate_kms_error* error = nullptr;
        casemate_kms_answer* const answer = casemate_kms_call(
            client_.get(), operation.c_str(), request.data(), request.size(), &error);
        return answered(answer, error);
    }

private:
    struct Free {
        void operator()(casemate_kms_client* client) const { casemate_kms_client_free(client); }
    };
    using Operation = casemate_kms_answer* (*)(casemate_kms_client*, const casemate_kms_request*,
                                               casemate_kms_error**);

    KmsClient(casemate_kms_client* client, std::unique_ptr<KmsOptions::Attest> attest)
        : attest_(std::move(attest)), client_(client) {}

    static const char* or_null(const std::string& text) {
        return text.empty() ? nullptr : text.c_str();
    }

    static bool make_document(void* context, const std::uint8_t* public_key,
                              std::size_t public_key_size, std::uint8_t* document,
                              std::size_t* document_size) {
        const auto& attest = *static_cast<const KmsOptions::Attest*>(context);
        const auto made = attest({public_key, public_key_size});
        if (!made || made->size() > *document_size) {
            return false;
        }
        std::memcpy(document, made->data(), made->size());
        *document_size = made->size();
        return true;
    }

    static KmsError take(casemate_kms_error* error) {
        KmsError taken{casemate_kms_error_type(error), casemate_kms_error_message(error),
                       casemate_kms_error_status(error), casemate_kms_error_request_id(error)};
        casemate_kms_error_free(error);
        return taken;
    }

    static KmsResult<KmsAnswer> answered(casemate_kms_answer* answer, casemate_kms_error* error) {
        if (answer == nullptr) {
            return take(error);
        }
        return KmsAnswer(answer);
    }

    [[nodiscard]] KmsResult<KmsAnswer> operate(Operation operation, const KmsRequest& given,
                                               std::span<const std::uint8_t> data = {}) const {
        std::vector<const char*> context;
        for (const auto& [name, value] : given.encryption_context) {
            context.push_back(name.c_str());
            context.push_back(value.c_str());
        }
        context.push_back(nullptr);
        std::vector<const char*> tokens;
        for (const std::string& token : given.grant_tokens) {
            tokens.push_back(token.c_str());
        }
        tokens.push_back(nullptr);
        casemate_kms_request request = {};
        request.size = sizeof(request);
        request.key_id = or_null(given.key_id);
        request.algorithm = or_null(given.algorithm);
        request.key_spec = or_null(given.key_spec);
        request.number_of_bytes = given.number_of_bytes;
        request.encryption_context = context.data();
        request.grant_tokens = tokens.data();
        request.data = data.data();
        request.data_size = data.size();
        casemate_kms_error* error = nullptr;
        casemate_kms_answer* const answer = operation(client_.get(), &request, &error);
        return answered(answer, error);
    }

    // The client calls it until it is freed, so it goes last.
    std::unique_ptr<KmsOptions::Attest> attest_;
    std::unique_ptr<casemate_kms_client, Free> client_;
};

}  // namespace casemate
