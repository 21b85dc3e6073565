#include "kms_client/exchange.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "http/client.hpp"
#include "http/url.hpp"
#include "http/wire.hpp"
#include "kms_client/json.hpp"

namespace casemate::kms_client {

namespace {

// More than any answer of KMS has.
constexpr std::size_t kMaxAnswer = std::size_t{4} << 20U;
constexpr std::uint64_t kMaxCaFile = std::uint64_t{4} << 20U;
constexpr std::size_t kMaxRegion = 64;

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
        case http::HttpErrc::bad_url:
            code = ClientErrc::bad_argument;
            break;
        case http::HttpErrc::connection_lost:
        case http::HttpErrc::closed_before_response:
        case http::HttpErrc::cannot_connect:
        case http::HttpErrc::cannot_listen:
            break;
    }
    return {code, error.message()};
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

// host_field is the Host of a request.
std::string host_field(const Service& service) {
    const std::string host = http::bracketed(service.host);
    return service.port == 0 ? host : host + ":" + std::to_string(service.port);
}

Result<http::Connection> connect(const Service& service) {
    const auto deadline = std::chrono::steady_clock::now() + service.timeout;
    CASEMATE_TRY(UniqueFd socket, connect_to(service.address, deadline));
    http::ClientLimits limits;
    limits.handshake = std::max(
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()),
        std::chrono::milliseconds(1));
    limits.exchange = service.timeout;
    limits.body_bytes = kMaxAnswer;
    std::optional<http::TlsClient> tls;
    if (service.tls) {
        tls.emplace(http::TlsClient{*service.tls, service.host});
    }
    auto connection = http::Connection::over(std::move(socket), std::move(tls), limits);
    if (!connection) {
        return as_our_own(connection.error());
    }
    return connection;
}

}  // namespace

bool is_region(std::string_view text) {
    return !text.empty() && text.size() <= kMaxRegion &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == text.npos;
}

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
        if (std::string value = environment(name); !value.empty()) {
            return value;
        }
    }
    return "/etc/ssl/certs/ca-certificates.crt";
}

Result<crypto::TlsClientContext> trust(const std::string& ca_file) {
    const auto pem = read_file(ca_file, kMaxCaFile);
    if (!pem) {
        return Error(
            ClientErrc::bad_argument,
            "expected the certificates that vouch for KMS, found: " + pem.error().message());
    }
    auto tls = crypto::TlsClientContext::from_pem(*pem);
    if (!tls) {
        return Error(ClientErrc::bad_argument, "expected certificates in PEM in " + ca_file +
                                                   ", found: " + tls.error().message());
    }
    return tls;
}

Result<http::Response> post(const Service& service, std::string_view operation, std::string body,
                            const sigv4::Credential& credential) {
    http::Request request{"POST", "/", {}, std::move(body), {}};
    request.headers = {{"Host", host_field(service)},
                       {"Content-Type", "application/x-amz-json-1.1"},
                       {"X-Amz-Target", "TrentService." + std::string(operation)},
                       {"User-Agent", "casemate-kms-client"}};
    // Whatever happens, the body is not left behind.
    const std::unique_ptr<std::string, void (*)(std::string*)> forgotten(
        &request.body, [](std::string* text) { http::forget(*text); });
    CASEMATE_TRY(http::Connection connection, connect(service));
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    auto added =
        sigv4::sign({request.method, request.target, request.headers, as_bytes(request.body)},
                    credential, {service.region, "kms", now});
    if (!added) {
        return Error(ClientErrc::bad_argument, added.error().message());
    }
    std::move(added->begin(), added->end(), std::back_inserter(request.headers));
    auto response = connection.exchange(request);
    if (!response) {
        return as_our_own(response.error());
    }
    return response;
}

Failure refusal_of(const http::Response& response) {
    Failure failure{"", "", response.status, request_id_of(response)};
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

std::string request_id_of(const http::Response& response) {
    return header_of(response, "x-amzn-requestid");
}

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

}  // namespace casemate::kms_client
