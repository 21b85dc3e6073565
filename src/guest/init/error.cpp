#include "guest/init/error.hpp"

#include <cstring>

namespace casemate::guest {

std::string_view describe(GuestErrc code) {
    switch (code) {
        case GuestErrc::bad_launch_file:
            return "bad launch file";
        case GuestErrc::bad_user:
            return "unknown user";
        case GuestErrc::bad_command:
            return "command can't be executed";
        case GuestErrc::system:
            return "refused by the kernel";
        case GuestErrc::heartbeat:
            return "no heartbeat";
    }
    return "error";
}

Error unexpected(GuestErrc code, std::string_view expected, std::string_view found) {
    std::string sentence = "expected ";
    sentence += expected;
    sentence += ", found ";
    sentence += found;
    return {code, std::move(sentence)};
}

Error unexpected_errno(GuestErrc code, std::string_view expected, int error_number) {
    return unexpected(code, expected, std::strerror(error_number));
}

}  // namespace casemate::guest
