// Small things about text that the whole room needs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace casemate::policy {

[[nodiscard]] constexpr char lower_letter(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// quoted shows what somebody else wrote: in quotation marks, on one line, cut after most bytes and
// without anything that a terminal would obey.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t most = 128);

// Arn: the six parts of "arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE". Views into the text.
struct Arn {
    std::string_view partition;
    std::string_view service;
    std::string_view region;
    std::string_view account;
    // resource: everything after the fifth colon, colons included.
    std::string_view resource;
};

// split_arn tells whether text begins with "arn:" and has five colons, and takes it apart.
[[nodiscard]] bool split_arn(std::string_view text, Arn& arn);

// is_account tells whether text is the id of an account: 12 digits.
[[nodiscard]] bool is_account(std::string_view text);

}  // namespace casemate::policy
