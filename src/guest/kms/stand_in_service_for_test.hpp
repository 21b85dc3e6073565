// For tests: a service that speaks KMS's protocol over TLS on a unix socket, as strict as KMS about
// who asks and about attestation documents, with encryption that is none; and an enclave's security
// module that it trusts. Tests can have it answer wrongly.
#pragma once

#include <boost/json.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "attestation/testing/forger.hpp"
#include "attestation/verifier.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "codec/base64.hpp"
#include "crypto/agreement.hpp"
#include "crypto/cms.hpp"
#include "crypto/random.hpp"
#include "crypto/rsa.hpp"
#include "crypto/tls.hpp"
#include "guest/kms/recipient.hpp"
#include "http/server.hpp"
#include "sigv4/verify.hpp"

namespace casemate::kms_client {

// Its one caller, and its one key.
inline constexpr std::string_view kCaller = "AKIACASEMATE00000001";
inline constexpr std::string_view kCallersSecret = "a+secret/of/forty/characters+and+no+more";
inline constexpr std::string_view kCallersToken = "a/session+token==";
inline constexpr std::string_view kKey =
    "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";
inline constexpr std::string_view kKeyAlias = "alias/casemate";

inline crypto::Seconds started() {
    static const auto now =
        std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    return now;
}

// forged_module attests as an enclave's security module of the forger's root does.
inline Attest forged_module(const std::vector<std::string>& isolation = {"kvm"}) {
    return [isolation](ByteView public_key) -> Result<Bytes> {
        namespace forger = attestation::forger;
        forger::Forgery forgery = forger::plain(isolation, started());
        forgery.contents.public_key = Bytes(public_key.begin(), public_key.end());
        return forger::forge(forgery).document;
    };
}

class StandInService {
public:
    using Object = boost::json::object;

    // trusted: whose documents it accepts beside the forger's, if there are any, whatever their
    // isolation and in debug mode too.
    explicit StandInService(std::vector<crypto::Certificate> trusted = {})
        : directory_(must(TemporaryDirectory::create())),
          lenient_(!trusted.empty()),
          verifier_(must(attestation::Verifier::create(with_forgers_root(std::move(trusted))))),
          agreement_key_(must(crypto::PrivateKey::generate(crypto::Curve::p256))) {
        using std::chrono::hours;
        const auto authority = must(crypto::make_tls_authority(
            {{"CN", "test authority"}}, started() - hours(1), started() + hours(24)));
        write("ca.pem", authority.certificate.to_pem());
        const auto other = must(crypto::make_tls_authority(
            {{"CN", "test authority"}}, started() - hours(1), started() + hours(24)));
        write("other-ca.pem", other.certificate.to_pem());
        const auto server = must(crypto::make_tls_server(
            {.subject = {{"CN", "kms"}},
             .names = {{crypto::AlternativeName::Kind::dns, "kms.us-east-1.amazonaws.com"}},
             .not_before = started() - hours(1),
             .not_after = started() + hours(24)},
            authority));
        http::Options options;
        options.listeners.push_back(
            {"kms", http::UnixEndpoint{socket()},
             must(crypto::TlsServerContext::make({server.certificate}, server.key))});
        options.threads = 2;
        server_ = must(http::Server::start(
            std::move(options), [this](const http::Request& request) { return answer(request); }));
    }
    StandInService(const StandInService&) = delete;
    StandInService& operator=(const StandInService&) = delete;
    ~StandInService() { server_->stop(std::chrono::milliseconds(0)); }

    [[nodiscard]] std::string path(const std::string& name) const {
        return directory_.path() + "/" + name;
    }
    [[nodiscard]] std::string socket() const { return path("kms.socket"); }
    // ca_file vouches for the service; other_ca_file for somebody else of the same name.
    [[nodiscard]] std::string ca_file() const { return path("ca.pem"); }
    [[nodiscard]] std::string other_ca_file() const { return path("other-ca.pem"); }

    // expect_token has the caller's requests need a session token.
    void expect_token(bool expected) {
        const std::lock_guard lock(mutex_);
        token_ = expected;
    }
    // edit_answer changes what is answered, edit_response the whole response, which is sent when it
    // returns.
    void edit_answer(std::function<void(Object&)> edit) {
        const std::lock_guard lock(mutex_);
        edit_answer_ = std::move(edit);
    }
    void edit_response(std::function<void(http::Response&)> edit) {
        const std::lock_guard lock(mutex_);
        edit_response_ = std::move(edit);
    }
    // asked is the last request, as it came.
    [[nodiscard]] http::Request asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    [[nodiscard]] std::size_t requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

    // sealed is a ciphertext of the key's, under a context in JSON.
    [[nodiscard]] static Bytes sealed(std::string_view plaintext, const Object& context = {}) {
        const std::string text = boost::json::serialize(context) + "|" + std::string(plaintext);
        return {text.begin(), text.end()};
    }

private:
    static std::vector<crypto::Certificate> with_forgers_root(
        std::vector<crypto::Certificate> roots) {
        namespace forger = attestation::forger;
        roots.push_back(forger::forge(forger::plain({"kvm"}, started())).root());
        return roots;
    }

    struct Refused {
        std::string type;
        std::string message;
        int status = 400;
    };

    template <class T>
    static T must(Result<T> result) {
        return attestation::forger::must(std::move(result));
    }

    void write(const std::string& name, const std::string& text) const {
        if (!write_file_atomically(path(name), as_bytes(text))) {
            std::abort();
        }
    }

    static std::string text_of(const Object& object, std::string_view name) {
        const auto* const value = object.if_contains({name.data(), name.size()});
        const auto* const text = value != nullptr ? value->if_string() : nullptr;
        return text != nullptr ? std::string(text->data(), text->size()) : std::string();
    }
    static Bytes bytes_of(const Object& object, std::string_view name) {
        const auto decoded = codec::decode_base64(text_of(object, name));
        if (!decoded || decoded->empty()) {
            throw Refused{"ValidationException", std::string(name) + " is no base64"};
        }
        return *decoded;
    }
    static boost::json::string base64(ByteView bytes) {
        const std::string text = codec::encode_base64(bytes);
        return boost::json::string(text.data(), text.size());
    }
    static Object context_of(const Object& request) {
        const auto* const value = request.if_contains("EncryptionContext");
        return value != nullptr ? value->as_object() : Object();
    }

    http::Response answer(const http::Request& request) {
        const auto target = http::find_header(request.headers, "x-amz-target");
        Object body;
        http::Response response{
            200,
            {{"Content-Type", "application/x-amz-json-1.1"}, {"x-amzn-RequestId", "0000-1111"}},
            ""};
        std::function<void(Object&)> edit_answer;
        std::function<void(http::Response&)> edit_response;
        {
            const std::lock_guard lock(mutex_);
            asked_ = request;
            ++requests_;
            edit_answer = edit_answer_;
            edit_response = edit_response_;
        }
        try {
            check_signature(request);
            const auto parsed = boost::json::parse(request.body);
            const std::string operation = target != nullptr ? *target : "";
            body = operate(operation, parsed.as_object());
            if (edit_answer) {
                edit_answer(body);
            }
        } catch (const Refused& refused) {
            response.status = refused.status;
            body = {{"__type", refused.type}, {"message", refused.message}};
        }
        response.body = boost::json::serialize(body);
        if (edit_response) {
            edit_response(response);
        }
        return response;
    }

    void check_signature(const http::Request& request) {
        const auto secret = [](std::string_view text) {
            return SecretBytes(Bytes(text.begin(), text.end()));
        };
        bool token = false;
        {
            const std::lock_guard lock(mutex_);
            token = token_;
        }
        const sigv4::Lookup lookup =
            [&](std::string_view id) -> Result<std::optional<sigv4::Known>> {
            std::optional<sigv4::Known> known;
            if (id == kCaller) {
                known.emplace(
                    sigv4::Known{secret(kCallersSecret), secret(token ? kCallersToken : "")});
            }
            return known;
        };
        const auto signed_by = sigv4::verify(
            {request.method, request.target, request.headers, as_bytes(request.body)}, lookup,
            {.service = "kms", .region = "us-east-1"},
            std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
        if (!signed_by) {
            throw Refused{"InvalidSignatureException", signed_by.error().message()};
        }
    }

    void check_key(const Object& request, bool optional = false) const {
        const std::string key = text_of(request, "KeyId");
        if (key != kKey && key != kKeyAlias && !(optional && key.empty())) {
            throw Refused{"com.amazonaws.kms#NotFoundException",
                          "Key '" + key + "' does not exist"};
        }
    }

    // give puts a plaintext into an answer, as the recipient's document demands.
    void give(const Object& request, std::string_view name, ByteView plaintext,
              Object& body) const {
        const auto* const recipient = request.if_contains("Recipient");
        if (recipient == nullptr) {
            throw Refused{"AccessDeniedException", "only with a Recipient"};
        }
        const Object& object = recipient->as_object();
        if (text_of(object, "KeyEncryptionAlgorithm") != "RSAES_OAEP_SHA_256") {
            throw Refused{"ValidationException", "KeyEncryptionAlgorithm"};
        }
        const auto now =
            std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
        attestation::Policy policy;
        policy.now = now;
        policy.max_age = std::chrono::minutes(5);
        if (lenient_) {
            policy.allow_debug = true;
            policy.isolation.insert(attestation::Isolation::software);
        }
        const auto document = verifier_.verify(bytes_of(object, "AttestationDocument"), policy);
        if (!document) {
            throw Refused{"ValidationException", document.error().message()};
        }
        const auto key =
            crypto::RsaPublicKey::from_spki(document->contents().public_key.value_or(Bytes()));
        if (!key || key->bits() != 2048) {
            throw Refused{"ValidationException", "the document's public key"};
        }
        body["CiphertextForRecipient"] = base64(must(crypto::cms::seal_for(*key, plaintext)));
        body[{name.data(), name.size()}] = nullptr;
    }

    Object operate(const std::string& target, const Object& request) const {
        Object body{{"KeyId", std::string(kKey)}};
        if (target == "TrentService.Decrypt") {
            decrypt(request, body);
        } else if (target == "TrentService.Encrypt") {
            check_key(request);
            const Bytes plaintext = bytes_of(request, "Plaintext");
            body["CiphertextBlob"] = base64(sealed(as_text(plaintext), context_of(request)));
        } else if (target == "TrentService.GenerateDataKey") {
            check_key(request);
            const std::string spec = text_of(request, "KeySpec");
            Bytes key(spec == "AES_256"   ? 32
                      : spec == "AES_128" ? 16
                                          : request.at("NumberOfBytes").to_number<std::size_t>());
            crypto::random_bytes(key);
            body["CiphertextBlob"] = base64(sealed(as_text(key), context_of(request)));
            give(request, "Plaintext", key, body);
        } else if (target == "TrentService.GenerateDataKeyPair") {
            check_key(request);
            const auto pair = must(crypto::PrivateKey::generate(crypto::Curve::p256));
            const auto pkcs8 = must(pair.to_pkcs8());
            body["PublicKey"] = base64(pair.public_key().spki());
            body["PrivateKeyCiphertextBlob"] =
                base64(sealed(as_text(pkcs8.view()), context_of(request)));
            give(request, "PrivateKeyPlaintext", pkcs8.view(), body);
        } else if (target == "TrentService.GenerateRandom") {
            Bytes random(request.at("NumberOfBytes").to_number<std::size_t>());
            crypto::random_bytes(random);
            body.clear();
            give(request, "Plaintext", random, body);
        } else if (target == "TrentService.DeriveSharedSecret") {
            check_key(request);
            const auto secret = crypto::agree(agreement_key_, bytes_of(request, "PublicKey"));
            if (!secret) {
                throw Refused{"ValidationException", secret.error().message()};
            }
            give(request, "SharedSecret", secret->view(), body);
        } else if (target == "TrentService.GetPublicKey") {
            body["PublicKey"] = base64(agreement_key_.public_key().spki());
        } else {
            throw Refused{"UnknownOperationException", ""};
        }
        return body;
    }

    void decrypt(const Object& request, Object& body) const {
        check_key(request, true);
        const Bytes ciphertext = bytes_of(request, "CiphertextBlob");
        const std::string_view text = as_text(ciphertext);
        const std::string context = boost::json::serialize(context_of(request)) + "|";
        if (!text.starts_with(context)) {
            throw Refused{"InvalidCiphertextException", ""};
        }
        give(request, "Plaintext", as_bytes(text.substr(context.size())), body);
    }

    TemporaryDirectory directory_;
    bool lenient_;
    attestation::Verifier verifier_;
    crypto::PrivateKey agreement_key_;
    mutable std::mutex mutex_;
    bool token_ = false;
    std::function<void(Object&)> edit_answer_;
    std::function<void(http::Response&)> edit_response_;
    http::Request asked_;
    std::size_t requests_ = 0;
    std::unique_ptr<http::Server> server_;
};

}  // namespace casemate::kms_client
