// One question to KMS and its answer: HTTPS, and who asks (Signature Version 4).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/tls.hpp"
#include "http/message.hpp"
#include "kms_client/address.hpp"
#include "kms_client/error.hpp"
#include "sigv4/sign.hpp"

namespace casemate::kms_client {

// Service: a KMS and how it is reached.
struct Service {
    std::string region;
    // host: what the server's certificate must be for.
    std::string host;
    // port: what the request says behind host, where it is not HTTPS's own; 0: nothing.
    std::uint16_t port = 0;
    Address address;
    // tls: nothing for a service that was named with http://.
    std::optional<crypto::TlsClientContext> tls;
    // timeout: to connect and shake hands, and again for the exchange; above zero.
    std::chrono::milliseconds timeout{30000};
};

// is_region tells whether a text can be a region's name.
[[nodiscard]] bool is_region(std::string_view text);

// host_of is the name of AWS's endpoint in a region: "kms.us-east-1.amazonaws.com".
[[nodiscard]] std::string host_of(std::string_view region);

// default_ca_file is the file that AWS_CA_BUNDLE, or else SSL_CERT_FILE, names in the environment,
// or else where Debian has its certificates.
[[nodiscard]] std::string default_ca_file();

// trust reads a file of certificates in PEM. Errors: bad_argument.
[[nodiscard]] Result<crypto::TlsClientContext> trust(const std::string& ca_file);

// post asks for an operation ("Sign") with a request in JSON, over a connection of its own, and
// cleanses the request. A refusal is a response too. Errors: bad_argument for a credential that
// can't be, not_connected, untrusted_server, timed_out, bad_answer.
[[nodiscard]] Result<http::Response> post(const Service& service, std::string_view operation,
                                          std::string body, const sigv4::Credential& credential);

// refusal_of reads a response whose status is not 200.
[[nodiscard]] Failure refusal_of(const http::Response& response);

// request_id_of is the name of a request in KMS's log; may be empty.
[[nodiscard]] std::string request_id_of(const http::Response& response);

// printable is a text as it may go to a terminal or a log: without control characters.
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace casemate::kms_client
