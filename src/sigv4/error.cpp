#include "sigv4/error.hpp"

namespace casemate::sigv4 {

std::string_view describe(SigErrc code) {
    switch (code) {
        case SigErrc::malformed_request:
            return "malformed request";
        case SigErrc::missing_authentication_token:
            return "missing authentication token";
        case SigErrc::incomplete_signature:
            return "incomplete signature";
        case SigErrc::invalid_client_token:
            return "invalid client token";
        case SigErrc::signature_does_not_match:
            return "signature does not match";
        case SigErrc::wrong_scope:
            return "wrong scope";
        case SigErrc::request_expired:
            return "request expired";
    }
    return "unknown error";
}

}  // namespace casemate::sigv4
