#include "http/error.hpp"

namespace casemate::http {

std::string_view describe(HttpErrc code) {
    switch (code) {
        case HttpErrc::bad_message:
            return "bad HTTP message";
        case HttpErrc::too_large:
            return "too large";
        case HttpErrc::timed_out:
            return "timed out";
        case HttpErrc::connection_lost:
            return "connection lost";
        case HttpErrc::closed_before_response:
            return "connection closed before the response";
        case HttpErrc::tls_failure:
            return "TLS failure";
        case HttpErrc::cannot_connect:
            return "cannot connect";
        case HttpErrc::cannot_listen:
            return "cannot listen";
        case HttpErrc::bad_argument:
            return "bad argument";
        case HttpErrc::bad_url:
            return "bad URL";
    }
    return "unknown error";
}

}  // namespace casemate::http
