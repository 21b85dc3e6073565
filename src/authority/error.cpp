#include "authority/error.hpp"

namespace casemate::authority {

std::string_view describe(AuthorityErrc code) {
    switch (code) {
        case AuthorityErrc::bad_instance:
            return "instance description not usable";
        case AuthorityErrc::bad_store:
            return "attestation authority not usable";
        case AuthorityErrc::exists:
            return "attestation authority exists";
        case AuthorityErrc::missing:
            return "no attestation authority";
        case AuthorityErrc::busy:
            return "attestation authority busy";
        case AuthorityErrc::token:
            return "key of a token not usable";
        case AuthorityErrc::out_of_time:
            return "root certificate out of time";
        case AuthorityErrc::bad_request:
            return "request not possible";
    }
    return "error";
}

}  // namespace casemate::authority
