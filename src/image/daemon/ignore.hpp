// .dockerignore: which files of a folder a build does not get to see.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "image/error.hpp"

namespace casemate::image {

// IgnoreRules: the rules of a .dockerignore, as `docker build` has them: one pattern a line; of
// those that match a path, or a folder it is in, the last one decides, and "!" takes it in again.
// In a pattern, * is any text and ? any character within a name, ** any number of folders, [a-z]
// one of a set, and \ makes the next character an ordinary one.
class IgnoreRules {
public:
    IgnoreRules() = default;
    // parse. Errors: ImageErrc malformed, with the line; too_large.
    [[nodiscard]] static Result<IgnoreRules> parse(std::string_view text);

    // ignores tells it of a relative path without ".", ".." and empty parts.
    [[nodiscard]] bool ignores(std::string_view path) const;
    // has_exceptions: something in an ignored folder may be taken in again.
    [[nodiscard]] bool has_exceptions() const;

private:
    // Step: a piece of a pattern.
    struct Step {
        // "**/" is two steps: folders, which may pass both by, and in_folders, which goes on after
        // any slash.
        enum class Kind : std::uint8_t {
            character,
            any,
            set,
            star,
            folders,
            in_folders,
            everything
        };
        Kind kind = Kind::character;
        char character = 0;
        // Of a set: pairs of first and last character.
        bool inverted = false;
        std::vector<std::pair<char, char>> ranges{};

        [[nodiscard]] bool takes(char c) const;
    };
    using Pattern = std::vector<Step>;
    struct Rule {
        bool exception = false;
        Pattern pattern{};
    };

    static Result<Pattern> compile(std::string_view text, std::size_t line);
    static Result<Step> compile_set(std::string_view text, std::size_t& at, std::size_t line);
    static bool matches(const Pattern& pattern, std::string_view path);

    std::vector<Rule> rules_;
};

}  // namespace casemate::image
