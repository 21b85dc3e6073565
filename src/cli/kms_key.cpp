#include "cli/kms_key.hpp"

#include <algorithm>
#include <array>
#include <thread>

#include "base/environment.hpp"
#include "cli/aws_credentials.hpp"
#include "http/connect.hpp"
#include "kms_client/json.hpp"

namespace casemate::cli {

namespace {

using kms_client::ClientErrc;
using kms_client::Fields;
using kms_client::ObjectWriter;
using kms_client::Service;

constexpr std::size_t kAccountDigits = 12;
constexpr std::size_t kMaxId = 128;
// What KMS asks to be tried again is, this often and after this long, then twice as long.
constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kPause{100};

std::string_view take_until(std::string_view& text, char end) {
    const std::size_t at = text.find(end);
    const std::string_view taken = text.substr(0, at);
    text = at == text.npos ? std::string_view() : text.substr(at + 1);
    return taken;
}

bool only(std::string_view text, std::string_view allowed) {
    return !text.empty() && text.find_first_not_of(allowed) == text.npos;
}

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz-";
constexpr std::string_view kIdLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-";

std::string_view algorithm_for(crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return "ECDSA_SHA_256";
        case crypto::Curve::p384:
            return "ECDSA_SHA_384";
        case crypto::Curve::p521:
            return "ECDSA_SHA_512";
        case crypto::Curve::other:
            break;
    }
    return "";
}

std::string endpoint(const std::string& region) {
    for (const char* name : {"AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"}) {
        if (std::string value = environment(name); !value.empty()) {
            return value;
        }
    }
    return "https://" + kms_client::host_of(region);
}

Result<std::vector<Service>> find_service(const std::string& region) {
    CASEMATE_TRY(const http::Url url, parse_endpoint(endpoint(region)));
    Service service;
    service.region = region;
    service.host = url.host;
    service.port = url.port == (url.secure ? 443 : 80) ? 0 : url.port;
    if (url.secure) {
        CASEMATE_TRY(service.tls, kms_client::trust(kms_client::default_ca_file()));
    }
    const auto addresses = http::find_addresses(url.host);
    if (!addresses) {
        return Error(AwsErrc::not_reached, addresses.error().detail());
    }
    std::vector<Service> services;
    for (const std::string& address : *addresses) {
        service.address = {kms_client::Address::Kind::tcp, 0, url.port, address};
        services.push_back(service);
    }
    return services;
}

bool worth_another(const kms_client::Failure& failure) {
    return failure.status >= 500 || failure.type.find("Throttl") != std::string::npos;
}

// ask_at_once tries each address, as long as nobody is there.
Result<http::Response> ask_at_once(const std::vector<Service>& services,
                                   const sigv4::Credential& credential, std::string_view operation,
                                   const std::string& request) {
    std::string tried;
    for (const Service& service : services) {
        auto response = kms_client::post(service, operation, request, credential);
        if (response) {
            return response;
        }
        tried += (tried.empty() ? "" : "; ") + response.error().detail();
        if (!response.error().is(ClientErrc::not_connected)) {
            break;
        }
    }
    return Error(AwsErrc::not_reached, "KMS: " + tried);
}

// ask gives the members of KMS's answer.
Result<Fields> ask(const std::vector<Service>& services, const sigv4::Credential& credential,
                   std::string_view operation, const std::string& request) {
    std::chrono::milliseconds pause = kPause;
    for (int attempt = 1;; ++attempt) {
        CASEMATE_TRY(const http::Response response,
                     ask_at_once(services, credential, operation, request));
        if (response.status == 200) {
            return Fields::parse(response.body);
        }
        const kms_client::Failure failure = kms_client::refusal_of(response);
        if (attempt == kAttempts || !worth_another(failure)) {
            return Error(
                AwsErrc::refused,
                "expected KMS to do " + std::string(operation) + ", found " + failure.text() +
                    (failure.request_id.empty() ? "" : " (request " + failure.request_id + ")"));
        }
        std::this_thread::sleep_for(pause);
        pause *= 2;
    }
}

}  // namespace

Result<KmsKeyName> parse_kms_arn(std::string_view text) {
    std::string_view rest = text;
    const std::string_view arn = take_until(rest, ':');
    const std::string_view partition = take_until(rest, ':');
    const std::string_view service = take_until(rest, ':');
    const std::string_view region = take_until(rest, ':');
    const std::string_view account = take_until(rest, ':');
    const bool key = rest.starts_with("key/") || rest.starts_with("key:");
    const std::string_view id = key ? rest.substr(4) : std::string_view();
    if (arn != "arn" || !only(partition, kLower) || !partition.starts_with("aws") ||
        service != "kms" || !kms_client::is_region(region) || !only(account, kDigits) ||
        account.size() != kAccountDigits || !only(id, kIdLetters) || id.size() > kMaxId) {
        return Error(AwsErrc::bad_setting,
                     "expected a key of KMS, arn:aws:kms:REGION:ACCOUNT:key/ID, found " +
                         kms_client::printable(text));
    }
    KmsKeyName name{std::string(text), std::string(region)};
    // KMS itself only knows the slash.
    name.arn[name.arn.size() - id.size() - 1] = '/';
    return name;
}

Result<KmsKey> KmsKey::open(std::string_view arn) {
    CASEMATE_TRY(KmsKeyName name, parse_kms_arn(arn));
    CASEMATE_TRY(sigv4::Credential credential, find_credentials());
    CASEMATE_TRY(std::vector<Service> services, find_service(name.region));
    ObjectWriter request;
    request.put_text("KeyId", name.arn);
    CASEMATE_TRY(const std::string text, request.finish());
    CASEMATE_TRY(const Fields answer, ask(services, credential, "GetPublicKey", text));
    CASEMATE_TRY(const Bytes spki, answer.bytes("PublicKey"));
    CASEMATE_TRY(crypto::PublicKey key, crypto::PublicKey::from_spki(spki));
    if (key.curve() == crypto::Curve::other || answer.text("KeyUsage") != "SIGN_VERIFY") {
        return Error(AwsErrc::bad_setting,
                     "expected a key of KMS for SIGN_VERIFY on P-256, P-384 or P-521, found " +
                         kms_client::printable(answer.text("KeySpec").value_or("another")) +
                         " for " +
                         kms_client::printable(answer.text("KeyUsage").value_or("another use")));
    }
    return KmsKey(std::move(name), std::move(services), std::move(credential), std::move(key));
}

Result<Bytes> KmsKey::sign(ByteView digest) const {
    ObjectWriter request;
    request.put_text("KeyId", name_.arn);
    request.put_bytes("Message", digest);
    request.put_text("MessageType", "DIGEST");
    request.put_text("SigningAlgorithm", algorithm_for(public_key_.curve()));
    CASEMATE_TRY(const std::string text, request.finish());
    CASEMATE_TRY(const Fields answer, ask(services_, credential_, "Sign", text));
    return answer.bytes("Signature");
}

}  // namespace casemate::cli
