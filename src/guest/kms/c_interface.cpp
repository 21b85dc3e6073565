// The client for C (casemate/kms.h). Nothing is decided here: arguments are checked and copied,
// results handed out, exceptions kept in.
#include <casemate/kms.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "guest/kms/client.hpp"
#include "http/wire.hpp"

namespace client = casemate::kms_client;

using casemate::Bytes;
using casemate::ByteView;
using casemate::Error;
using casemate::Result;
using casemate::SecretBytes;
using client::ClientErrc;
using client::Failure;

struct casemate_kms_error {
    Failure failure;
};

struct casemate_kms_client {
    std::unique_ptr<client::Client> client;
};

struct casemate_kms_answer {
    client::Answer answer;
    // The texts of the answer once more, each ending in a zero byte, and those that were decoded.
    std::map<std::string, std::string, std::less<>> texts;
    std::mutex mutex;
    std::map<std::string, Bytes, std::less<>> decoded;

    explicit casemate_kms_answer(client::Answer&& given) : answer(std::move(given)) {
        for (const auto& [name, value] : answer.fields.all()) {
            texts.emplace(name, value);
        }
    }
    casemate_kms_answer(const casemate_kms_answer&) = delete;
    casemate_kms_answer& operator=(const casemate_kms_answer&) = delete;
    ~casemate_kms_answer() { casemate::http::forget(answer.json); }
};

namespace {

// Room for any document (formats.md 2.2: a response of the driver is at most 12 KiB).
constexpr std::size_t kDocumentRoom = 20480;

// What is handed out when there is no memory for an error: its texts are short enough to need none
// either, and it is never freed.
casemate_kms_error& out_of_memory() {
    static casemate_kms_error error{{"out_of_memory", "", 0, ""}};
    return error;
}

void set_error(casemate_kms_error** slot, Failure failure) {
    if (slot == nullptr) {
        return;
    }
    try {
        *slot = new casemate_kms_error{std::move(failure)};
    } catch (const std::bad_alloc&) {
        *slot = &out_of_memory();
    }
}

// guarded runs what may throw; nothing is left of it but an error.
template <class T, class Body>
T guarded(casemate_kms_error** error, T failed, const Body& body) noexcept {
    if (error != nullptr) {
        *error = nullptr;
    }
    try {
        return body();
    } catch (const std::bad_alloc&) {
        if (error != nullptr) {
            *error = &out_of_memory();
        }
    } catch (const std::exception& exception) {
        set_error(error, {"internal", exception.what(), 0, ""});
    } catch (...) {
        set_error(error, {"internal", "unknown exception", 0, ""});
    }
    return failed;
}

Error bad_argument(std::string_view expected, std::string_view found) {
    return {ClientErrc::bad_argument,
            "expected " + std::string(expected) + ", found " + std::string(found)};
}

std::string text_or(const char* text, std::string_view otherwise = "") {
    return text != nullptr ? text : std::string(otherwise);
}

SecretBytes secret_text(const char* text) {
    const ByteView bytes = casemate::as_bytes(text != nullptr ? text : "");
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

Result<casemate::sigv4::Credential> credential_of(const char* id, const char* secret,
                                                  const char* token) {
    if (id == nullptr || secret == nullptr || *id == '\0' || *secret == '\0') {
        return bad_argument("an access key's identifier and its secret", "none");
    }
    return casemate::sigv4::Credential{id, secret_text(secret), secret_text(token)};
}

client::Attest attest_of(const casemate_kms_options& options) {
    if (options.attest == nullptr) {
        return {};
    }
    return [attest = options.attest,
            context = options.attest_context](ByteView public_key) -> Result<Bytes> {
        Bytes document(kDocumentRoom);
        std::size_t size = document.size();
        if (!attest(context, public_key.data(), public_key.size(), document.data(), &size) ||
            size > document.size()) {
            return Error(ClientErrc::no_module,
                         "expected an attestation document, found that none could be made");
        }
        document.resize(size);
        return document;
    };
}

Result<client::Options> options_of(const casemate_kms_options& given) {
    client::Options options;
    options.region = text_or(given.region, client::kDefaultRegion);
    options.host = text_or(given.host);
    options.ca_file = text_or(given.ca_file);
    if (given.address != nullptr) {
        CASEMATE_TRY(options.address, client::parse_address(given.address));
    }
    if (given.timeout_ms != 0) {
        options.timeout = std::chrono::milliseconds(given.timeout_ms);
    }
    options.attest = attest_of(given);
    return options;
}

// Given: a request's members, copied.
struct Given {
    client::Parameters parameters;
    ByteView data;
};

Result<Given> given_of(const casemate_kms_request* request) {
    if (request == nullptr || request->size != sizeof(casemate_kms_request)) {
        return bad_argument("a request of this version of casemate/kms.h", "another size");
    }
    if (request->data == nullptr && request->data_size != 0) {
        return bad_argument("data", "NULL");
    }
    Given given;
    client::Parameters& parameters = given.parameters;
    parameters.key_id = text_or(request->key_id);
    parameters.algorithm = text_or(request->algorithm);
    parameters.key_spec = text_or(request->key_spec);
    parameters.number_of_bytes = request->number_of_bytes;
    for (const char* const* pair = request->encryption_context; pair != nullptr && *pair != nullptr;
         pair += 2) {
        if (pair[1] == nullptr) {
            return bad_argument("a value for each name of an encryption context", "NULL");
        }
        parameters.context.emplace_back(pair[0], pair[1]);
    }
    for (const char* const* token = request->grant_tokens; token != nullptr && *token != nullptr;
         ++token) {
        parameters.grant_tokens.emplace_back(*token);
    }
    given.data = {static_cast<const std::uint8_t*>(request->data), request->data_size};
    return given;
}

casemate_kms_answer* hand_out(client::Outcome<client::Answer> outcome, casemate_kms_error** error) {
    if (!outcome) {
        set_error(error, std::move(outcome).error());
        return nullptr;
    }
    return new casemate_kms_answer(std::move(outcome).value());
}

using Operation = client::Outcome<client::Answer> (*)(client::Client&, const Given&);

casemate_kms_answer* operate(casemate_kms_client* client, const casemate_kms_request* request,
                             casemate_kms_error** error, Operation operation) noexcept {
    return guarded<casemate_kms_answer*>(error, nullptr, [&]() -> casemate_kms_answer* {
        auto given = given_of(request);
        if (given && client == nullptr) {
            given = bad_argument("a client", "NULL");
        }
        if (!given) {
            set_error(error, client::failure_of(given.error()));
            return nullptr;
        }
        return hand_out(operation(*client->client, *given), error);
    });
}

}  // namespace

const char* casemate_kms_version(void) {
    return CASEMATE_VERSION;
}

const char* casemate_kms_error_type(const casemate_kms_error* error) {
    return error != nullptr ? error->failure.type.c_str() : "";
}

const char* casemate_kms_error_message(const casemate_kms_error* error) {
    return error != nullptr ? error->failure.message.c_str() : "";
}

int casemate_kms_error_status(const casemate_kms_error* error) {
    return error != nullptr ? error->failure.status : 0;
}

const char* casemate_kms_error_request_id(const casemate_kms_error* error) {
    return error != nullptr ? error->failure.request_id.c_str() : "";
}

void casemate_kms_error_free(casemate_kms_error* error) {
    if (error != &out_of_memory()) {
        delete error;
    }
}

casemate_kms_client* casemate_kms_client_new(const casemate_kms_options* options,
                                             casemate_kms_error** error) {
    return guarded<casemate_kms_client*>(error, nullptr, [&]() -> casemate_kms_client* {
        const auto make = [&]() -> Result<std::unique_ptr<client::Client>> {
            if (options == nullptr || options->size != sizeof(casemate_kms_options)) {
                return bad_argument("options of this version of casemate/kms.h", "another size");
            }
            CASEMATE_TRY(auto credential,
                         credential_of(options->access_key_id, options->secret_access_key,
                                       options->session_token));
            CASEMATE_TRY(auto copied, options_of(*options));
            return client::Client::create(std::move(copied), std::move(credential));
        };
        auto made = make();
        if (!made) {
            set_error(error, client::failure_of(made.error()));
            return nullptr;
        }
        return new casemate_kms_client{std::move(made).value()};
    });
}

void casemate_kms_client_free(casemate_kms_client* client) {
    delete client;
}

bool casemate_kms_client_set_credentials(casemate_kms_client* client, const char* access_key_id,
                                         const char* secret_access_key, const char* session_token,
                                         casemate_kms_error** error) {
    return guarded(error, false, [&] {
        auto credential = credential_of(access_key_id, secret_access_key, session_token);
        if (credential && client == nullptr) {
            credential = bad_argument("a client", "NULL");
        }
        if (!credential) {
            set_error(error, client::failure_of(credential.error()));
            return false;
        }
        client->client->set_credential(std::move(credential).value());
        return true;
    });
}

casemate_kms_answer* casemate_kms_decrypt(casemate_kms_client* client,
                                          const casemate_kms_request* request,
                                          casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.decrypt(given.data, given.parameters);
    });
}

casemate_kms_answer* casemate_kms_generate_data_key(casemate_kms_client* client,
                                                    const casemate_kms_request* request,
                                                    casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.generate_data_key(given.parameters);
    });
}

casemate_kms_answer* casemate_kms_generate_data_key_pair(casemate_kms_client* client,
                                                         const casemate_kms_request* request,
                                                         casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.generate_data_key_pair(given.parameters);
    });
}

casemate_kms_answer* casemate_kms_generate_random(casemate_kms_client* client,
                                                  const casemate_kms_request* request,
                                                  casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.generate_random(given.parameters);
    });
}

casemate_kms_answer* casemate_kms_derive_shared_secret(casemate_kms_client* client,
                                                       const casemate_kms_request* request,
                                                       casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.derive_shared_secret(given.data, given.parameters);
    });
}

casemate_kms_answer* casemate_kms_encrypt(casemate_kms_client* client,
                                          const casemate_kms_request* request,
                                          casemate_kms_error** error) {
    return operate(client, request, error, [](client::Client& kms, const Given& given) {
        return kms.encrypt(given.data, given.parameters);
    });
}

casemate_kms_answer* casemate_kms_call(casemate_kms_client* client, const char* operation,
                                       const char* request, size_t request_size,
                                       casemate_kms_error** error) {
    return guarded<casemate_kms_answer*>(error, nullptr, [&]() -> casemate_kms_answer* {
        if (client == nullptr || operation == nullptr || request == nullptr) {
            set_error(error, client::failure_of(
                                 bad_argument("a client, an operation and a request", "NULL")));
            return nullptr;
        }
        return hand_out(client->client->call(operation, {request, request_size}), error);
    });
}

const uint8_t* casemate_kms_answer_secret(const casemate_kms_answer* answer, size_t* size) {
    const ByteView secret = answer->answer.secret.view();
    *size = secret.size();
    return secret.data();
}

const uint8_t* casemate_kms_answer_bytes(casemate_kms_answer* answer, const char* member,
                                         size_t* size) {
    *size = 0;
    return guarded<const uint8_t*>(nullptr, nullptr, [&]() -> const uint8_t* {
        const std::lock_guard lock(answer->mutex);
        auto found = answer->decoded.find(std::string_view(member));
        if (found == answer->decoded.end()) {
            auto bytes = answer->answer.fields.bytes(member);
            if (!bytes) {
                return nullptr;
            }
            found = answer->decoded.emplace(member, std::move(bytes).value()).first;
        }
        *size = found->second.size();
        return found->second.data();
    });
}

const char* casemate_kms_answer_text(const casemate_kms_answer* answer, const char* member) {
    const auto found = answer->texts.find(std::string_view(member));
    return found != answer->texts.end() ? found->second.c_str() : nullptr;
}

const char* casemate_kms_answer_json(const casemate_kms_answer* answer) {
    return answer->answer.json.c_str();
}

const char* casemate_kms_answer_request_id(const casemate_kms_answer* answer) {
    return answer->answer.request_id.c_str();
}

void casemate_kms_answer_free(casemate_kms_answer* answer) {
    delete answer;
}
