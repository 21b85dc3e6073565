#include "policy/pattern.hpp"

#include <algorithm>
#include <array>

#include "policy/error.hpp"
#include "policy/text.hpp"

namespace casemate::policy {

namespace {

constexpr char16_t kAnyText = 0x100;
constexpr char16_t kAnyCharacter = 0x101;

char16_t byte_of(char character) {
    return static_cast<unsigned char>(character);
}

// next_character is the place behind the character of UTF-8 that begins at a place.
std::size_t next_character(std::string_view text, std::size_t at) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) {
        ++at;
    }
    return at;
}

// glob_matches never goes back further than to the last '*': what an earlier one could still take,
// the last one can take as well.
bool glob_matches(std::u16string_view glob, std::string_view text, bool ignore_case) {
    std::size_t in_glob = 0;
    std::size_t in_text = 0;
    std::optional<std::size_t> retry_glob;
    std::size_t retry_text = 0;
    while (in_text < text.size()) {
        const char letter = ignore_case ? lower_letter(text[in_text]) : text[in_text];
        if (in_glob < glob.size() && glob[in_glob] == kAnyText) {
            retry_glob = ++in_glob;
            retry_text = in_text;
        } else if (in_glob < glob.size() && glob[in_glob] == kAnyCharacter) {
            ++in_glob;
            in_text = next_character(text, in_text);
        } else if (in_glob < glob.size() && glob[in_glob] == byte_of(letter)) {
            ++in_glob;
            ++in_text;
        } else if (retry_glob) {
            retry_text = next_character(text, retry_text);
            in_text = retry_text;
            in_glob = *retry_glob;
        } else {
            return false;
        }
    }
    return std::all_of(glob.begin() + static_cast<std::ptrdiff_t>(in_glob), glob.end(),
                       [](char16_t token) { return token == kAnyText; });
}

void append_text(std::u16string& glob, std::string_view text, bool ignore_case) {
    for (const char character : text) {
        glob += byte_of(ignore_case ? lower_letter(character) : character);
    }
}

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(' ');
    const std::size_t last = text.find_last_not_of(' ');
    return first == std::string_view::npos ? std::string_view()
                                           : text.substr(first, last - first + 1);
}

Error bad_variable(std::string_view text, std::string_view why) {
    return Error(PolicyErrc::malformed,
                 "the policy variable at " + quoted(text, 40) + " " + std::string(why));
}

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text, Syntax syntax) {
    Pattern pattern;
    pattern.text_ = text;
    pattern.syntax_ = syntax;
    CASEMATE_CHECK(pattern.read(text));
    const bool has_wildcards = std::any_of(
        pattern.pieces_.begin(), pattern.pieces_.end(),
        [](const Piece& piece) { return piece.glob.find_first_of(u"\u0100\u0101") != Glob::npos; });
    const bool has_escapes = syntax.variables && text.find("${") != std::string_view::npos;
    pattern.is_plain_ =
        !has_wildcards && !has_escapes && !pattern.has_variables_ && !syntax.ignore_case;
    pattern.is_everything_ = syntax.wildcards && text == "*";
    return pattern;
}

Result<> Pattern::read(std::string_view text) {
    pieces_.emplace_back();
    while (!text.empty()) {
        std::size_t taken = 1;
        if (syntax_.variables && text.starts_with("${")) {
            CASEMATE_TRY(taken, read_variable(text));
        } else if (syntax_.wildcards && text.front() == '*') {
            pieces_.back().glob += kAnyText;
        } else if (syntax_.wildcards && text.front() == '?') {
            pieces_.back().glob += kAnyCharacter;
        } else {
            append_text(pieces_.back().glob, text.substr(0, 1), syntax_.ignore_case);
        }
        text.remove_prefix(taken);
    }
    return {};
}

// read_variable reads what begins with "${" and gives its length.
Result<std::size_t> Pattern::read_variable(std::string_view text) {
    constexpr std::array<std::string_view, 3> kEscapes{"${*}", "${?}", "${$}"};
    for (const std::string_view escape : kEscapes) {
        if (text.starts_with(escape)) {
            append_text(pieces_.back().glob, escape.substr(2, 1), syntax_.ignore_case);
            return escape.size();
        }
    }
    const std::size_t name_end = text.find_first_of(",}", 2);
    if (name_end == std::string_view::npos) {
        return bad_variable(text, "has no closing brace");
    }
    const std::string_view name = trim(text.substr(2, name_end - 2));
    if (name.empty() || name.find_first_of(" '\"${*?") != std::string_view::npos) {
        return bad_variable(text, "has no condition key for a name");
    }
    Piece variable;
    variable.variable = lower(name);
    std::size_t end = name_end;
    if (text[name_end] == ',') {
        const std::size_t open = text.find_first_not_of(' ', name_end + 1);
        const bool is_quoted = open != std::string_view::npos && text[open] == '\'';
        const std::size_t close = is_quoted ? text.find('\'', open + 1) : std::string_view::npos;
        if (close == std::string_view::npos) {
            return bad_variable(text, "has no default value between single quotation marks");
        }
        variable.fallback = std::string(text.substr(open + 1, close - open - 1));
        end = text.find_first_not_of(' ', close + 1);
        if (end == std::string_view::npos || text[end] != '}') {
            return bad_variable(text, "has no closing brace behind its default value");
        }
    }
    has_variables_ = true;
    pieces_.push_back(std::move(variable));
    return end + 1;
}

std::optional<Pattern::Glob> Pattern::expand(const Context& context) const {
    Glob glob;
    for (const Piece& piece : pieces_) {
        if (!piece.variable.empty()) {
            const auto* values = context.find(piece.variable);
            if (values != nullptr && values->size() == 1) {
                append_text(glob, values->front(), syntax_.ignore_case);
            } else if ((values == nullptr || values->empty()) && piece.fallback) {
                append_text(glob, *piece.fallback, syntax_.ignore_case);
            } else {
                return std::nullopt;
            }
        }
        glob += piece.glob;
    }
    return glob;
}

Match Pattern::matches(std::string_view value, const Context& context) const {
    if (is_everything_) {
        return Match::yes;
    }
    if (is_plain_) {
        return value == text_ ? Match::yes : Match::no;
    }
    if (!has_variables_) {
        return glob_matches(pieces_.front().glob, value, syntax_.ignore_case) ? Match::yes
                                                                              : Match::no;
    }
    const auto glob = expand(context);
    if (!glob) {
        return Match::unknown;
    }
    return glob_matches(*glob, value, syntax_.ignore_case) ? Match::yes : Match::no;
}

Match Pattern::matches_arn(std::string_view value, const Context& context) const {
    const auto expanded = has_variables_ ? expand(context) : std::optional(pieces_.front().glob);
    if (!expanded) {
        return Match::unknown;
    }
    constexpr std::ptrdiff_t kColons = 5;
    std::u16string_view glob = *expanded;
    const bool is_any = glob.size() == 1 && glob.front() == kAnyText;
    if (!is_any && std::count(glob.begin(), glob.end(), u':') < kColons) {
        return Match::unknown;
    }
    Arn arn;
    if (!split_arn(value, arn)) {
        return Match::no;
    }
    if (is_any) {
        return Match::yes;
    }
    for (const std::string_view part :
         {std::string_view("arn"), arn.partition, arn.service, arn.region, arn.account}) {
        const std::size_t colon = glob.find(u':');
        if (!glob_matches(glob.substr(0, colon), part, syntax_.ignore_case)) {
            return Match::no;
        }
        glob.remove_prefix(colon + 1);
    }
    return glob_matches(glob, arn.resource, syntax_.ignore_case) ? Match::yes : Match::no;
}

}  // namespace casemate::policy
