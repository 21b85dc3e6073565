#include "kms/service/error.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "kms/core/core.hpp"
#include "sigv4/error.hpp"

namespace casemate::kms::service {

using sigv4::SigErrc;

std::string_view describe(ServiceErrc code) {
    switch (code) {
        case ServiceErrc::bad_option:
            return "bad option";
        case ServiceErrc::bad_tls_file:
            return "bad TLS file";
        case ServiceErrc::wrong_root_keys:
            return "wrong root keys";
    }
    return "unknown error";
}

Fault fault_of_signature(const Error& error) {
    const auto code = error.code_as<SigErrc>();
    if (!code) {
        return fault_of(error);
    }
    switch (*code) {
        case SigErrc::malformed_request:
            return {KmsErrc::validation, error.detail()};
        case SigErrc::missing_authentication_token:
            return {KmsErrc::missing_authentication_token, "Missing Authentication Token"};
        case SigErrc::incomplete_signature:
            return {KmsErrc::incomplete_signature, error.detail()};
        case SigErrc::invalid_client_token:
            return {KmsErrc::invalid_client_token,
                    "The security token included in the request is invalid."};
        case SigErrc::signature_does_not_match:
            return {KmsErrc::signature_does_not_match,
                    "The request signature we calculated does not match the signature you "
                    "provided. Check your AWS Secret Access Key and signing method. Consult the "
                    "service documentation for details."};
        case SigErrc::wrong_scope:
            return {KmsErrc::signature_does_not_match, error.detail()};
        case SigErrc::request_expired:
            return {KmsErrc::request_expired, "Signature expired: " + error.detail()};
    }
    return {KmsErrc::internal, ""};
}

Fault fault_of(const Error& error) {
    const auto code = error.code_as<KmsErrc>();
    if (code) {
        return {*code, error.detail()};
    }
    const Error outward = at_edge(error);
    return {outward.code_as<KmsErrc>().value_or(KmsErrc::internal), outward.detail()};
}

std::string body_of(const Fault& fault) {
    boost::json::object body;
    body["__type"] = type_of(fault.code);
    body["message"] = fault.message;
    return boost::json::serialize(body);
}

}  // namespace casemate::kms::service
