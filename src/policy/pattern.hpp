// Patterns of policies: text with wildcards and with variables that the request's context fills.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "policy/context.hpp"

namespace casemate::policy {

// Match: unknown where a comparison can't be made: a variable without a single value, or a value of
// the request that is not of the operator's kind.
enum class Match : std::uint8_t { no, yes, unknown };

// any_of joins what a value's comparisons with several operands gave.
[[nodiscard]] constexpr Match any_of(Match a, Match b) {
    if (a == Match::yes || b == Match::yes) {
        return Match::yes;
    }
    return a == Match::unknown || b == Match::unknown ? Match::unknown : Match::no;
}

// Syntax: how a pattern's text is to be read.
struct Syntax {
    // '*' is any text and '?' any character (of UTF-8); else they are themselves.
    bool wildcards = false;
    // ${key}, ${key, 'default'}, ${*}, ${?} and ${$}: only from version 2012-10-17 on.
    bool variables = false;
    bool ignore_case = false;
};

class Pattern {
public:
    // parse reads text. Errors: PolicyErrc::malformed for a variable without end, name or quote.
    static Result<Pattern> parse(std::string_view text, Syntax syntax);

    // text is the pattern as it was written.
    [[nodiscard]] const std::string& text() const { return text_; }
    [[nodiscard]] bool has_variables() const { return has_variables_; }

    // matches compares a whole value. At most value times pattern steps.
    [[nodiscard]] Match matches(std::string_view value, const Context& context) const;

    // matches_arn compares each of an ARN's six parts on its own. A value that is no ARN does not
    // match; a pattern that turns out to be none, after its variables, is unknown. "*" alone
    // matches each ARN.
    [[nodiscard]] Match matches_arn(std::string_view value, const Context& context) const;

private:
    // Glob: bytes as they are, wildcards above them.
    using Glob = std::u16string;

    struct Piece {
        Glob glob;
        // variable: a condition key in small letters; empty for a piece that is glob alone.
        std::string variable;
        std::optional<std::string> fallback;
    };

    Result<> read(std::string_view text);
    Result<std::size_t> read_variable(std::string_view text);
    // expand fills the variables in; nothing when one has no single value.
    [[nodiscard]] std::optional<Glob> expand(const Context& context) const;

    std::string text_;
    Syntax syntax_;
    std::vector<Piece> pieces_;
    bool has_variables_ = false;
    // Where there are neither variables nor wildcards nor letters to fold, matching is comparing.
    bool is_plain_ = false;
    // "*" alone matches everything.
    bool is_everything_ = false;
};

}  // namespace casemate::policy
