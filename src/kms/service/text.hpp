// Text of others, as it may be written into logs.
#pragma once

#include <string>
#include <string_view>

namespace casemate::kms::service {

// printable gives at most most bytes of text, control characters and what is no ASCII as '?'.
[[nodiscard]] inline std::string printable(std::string_view text, std::size_t most) {
    std::string out(text.substr(0, most));
    for (char& letter : out) {
        constexpr char kFirst = ' ';
        constexpr char kLast = '~';
        if (letter < kFirst || letter > kLast) {
            letter = '?';
        }
    }
    return out;
}

}  // namespace casemate::kms::service
