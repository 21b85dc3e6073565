#include "base/os_error.hpp"

#include <cstring>

namespace casemate {

std::string_view describe(Errno code) {
    // strerrordesc_np gives static text, unlike strerror: safe from any thread.
    const char* text = strerrordesc_np(static_cast<int>(code));
    return text != nullptr ? text : "unknown operating system error";
}

Error os_error(std::string_view what, int error_number) {
    return {static_cast<Errno>(error_number), std::string(what)};
}

}  // namespace casemate
