// What a registry asks of who has no access yet: WWW-Authenticate (RFC 9110 11.6.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace casemate::image {

// Challenge: a scheme, in small letters, and its parameters with names in small letters, in order.
struct Challenge {
    std::string scheme;
    std::vector<std::pair<std::string, std::string>> parameters;

    bool operator==(const Challenge&) const = default;

    // find gives a parameter; nullptr where it is absent.
    [[nodiscard]] const std::string* find(std::string_view name) const;
    // text writes the challenge so that it is parsed as the same.
    [[nodiscard]] std::string text() const;
};

// parse_challenges reads one header's value, which may have several challenges. Nothing where it
// breaks the grammar, where a challenge has a parameter twice, and beyond 16 challenges or 16
// parameters.
[[nodiscard]] std::optional<std::vector<Challenge>> parse_challenges(std::string_view value);

}  // namespace casemate::image
