#include "kms_client/error.hpp"

namespace casemate::kms_client {

std::string_view describe(ClientErrc code) {
    switch (code) {
        case ClientErrc::bad_argument:
            return "bad_argument";
        case ClientErrc::no_module:
            return "no_module";
        case ClientErrc::not_connected:
            return "not_connected";
        case ClientErrc::untrusted_server:
            return "untrusted_server";
        case ClientErrc::timed_out:
            return "timed_out";
        case ClientErrc::bad_answer:
            return "bad_answer";
        case ClientErrc::plaintext_answer:
            return "plaintext_answer";
        case ClientErrc::not_opened:
            return "not_opened";
        case ClientErrc::internal:
            return "internal";
    }
    return "internal";
}

Failure failure_of(const Error& error) {
    if (const auto code = error.code_as<ClientErrc>()) {
        return {std::string(describe(*code)), error.detail(), 0, ""};
    }
    return {std::string(describe(ClientErrc::internal)), error.message(), 0, ""};
}

}  // namespace casemate::kms_client
