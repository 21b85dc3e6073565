#include "image/daemon/ignore.hpp"

#include <algorithm>

namespace casemate::image {

namespace {

constexpr std::size_t kMaxRules = 10000;
constexpr std::size_t kMaxLine = 4096;

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const std::size_t begin = text.find_first_not_of(kSpace);
    return begin == text.npos ? std::string_view()
                              : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// clean leaves out ".", empty parts and what ".." undoes; patterns are relative to the folder.
std::string clean(std::string_view text) {
    std::vector<std::string_view> parts;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find('/', begin), text.size());
        const std::string_view part = text.substr(begin, end - begin);
        begin = end + 1;
        if (part == "..") {
            if (!parts.empty()) {
                parts.pop_back();
            }
        } else if (!part.empty() && part != ".") {
            parts.push_back(part);
        }
    }
    std::string path;
    for (const std::string_view part : parts) {
        path.append(path.empty() ? "" : "/").append(part);
    }
    return path;
}

Error bad_pattern(std::size_t line, const std::string& why) {
    return {ImageErrc::malformed, "expected a pattern on line " + std::to_string(line) +
                                      " of .dockerignore, found " + why};
}

}  // namespace

bool IgnoreRules::Step::takes(char c) const {
    switch (kind) {
        case Kind::character:
            return c == character;
        case Kind::any:
        case Kind::star:
            return c != '/';
        case Kind::set:
            return c != '/' &&
                   inverted != std::any_of(ranges.begin(), ranges.end(), [c](const auto& range) {
                       return range.first <= c && c <= range.second;
                   });
        case Kind::folders:
        case Kind::in_folders:
        case Kind::everything:
            return true;
    }
    return false;
}

Result<IgnoreRules::Step> IgnoreRules::compile_set(std::string_view text, std::size_t& at,
                                                   std::size_t line) {
    Step step;
    step.kind = Step::Kind::set;
    ++at;
    if (at < text.size() && text[at] == '^') {
        step.inverted = true;
        ++at;
    }
    const auto next = [&](char& c) {
        if (at < text.size() && text[at] == '\\') {
            ++at;
        }
        if (at >= text.size()) {
            return false;
        }
        c = text[at++];
        return true;
    };
    while (at >= text.size() || text[at] != ']' || step.ranges.empty()) {
        char first = 0;
        if (!next(first)) {
            return bad_pattern(line, "'[' without ']'");
        }
        char last = first;
        if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') {
            ++at;
            if (!next(last)) {
                return bad_pattern(line, "'[' without ']'");
            }
        }
        step.ranges.emplace_back(first, last);
    }
    ++at;
    return step;
}

Result<IgnoreRules::Pattern> IgnoreRules::compile(std::string_view text, std::size_t line) {
    Pattern pattern;
    for (std::size_t at = 0; at < text.size();) {
        Step step;
        const char c = text[at];
        if (text.substr(at).starts_with("**")) {
            at += 2;
            step.kind = Step::Kind::everything;
            if (at < text.size() && text[at] == '/') {
                ++at;
                step.kind = Step::Kind::folders;
                pattern.push_back(step);
                step.kind = Step::Kind::in_folders;
            }
        } else if (c == '[') {
            CASEMATE_TRY(step, compile_set(text, at, line));
        } else {
            ++at;
            step.kind = c == '*'   ? Step::Kind::star
                        : c == '?' ? Step::Kind::any
                                   : Step::Kind::character;
            step.character = c;
            if (c == '\\') {
                if (at == text.size()) {
                    return bad_pattern(line, "'\\' at its end");
                }
                step.character = text[at++];
            }
        }
        pattern.push_back(std::move(step));
    }
    return pattern;
}

Result<IgnoreRules> IgnoreRules::parse(std::string_view text) {
    IgnoreRules rules;
    if (text.starts_with("\xef\xbb\xbf")) {
        text.remove_prefix(3);
    }
    std::size_t number = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view whole = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        std::string_view line = trim(whole);
        if (whole.starts_with('#') || line.empty()) {
            continue;
        }
        Rule rule;
        rule.exception = line.front() == '!';
        if (rule.exception) {
            line = trim(line.substr(1));
            if (line.empty()) {
                return bad_pattern(number, "'!' alone");
            }
        }
        if (rules.rules_.size() == kMaxRules || line.size() > kMaxLine) {
            return Error(ImageErrc::too_large, "expected at most " + std::to_string(kMaxRules) +
                                                   " lines of at most " + std::to_string(kMaxLine) +
                                                   " bytes in .dockerignore, found more");
        }
        CASEMATE_TRY(rule.pattern, compile(clean(line), number));
        if (!rule.pattern.empty()) {
            rules.rules_.push_back(std::move(rule));
        }
    }
    return rules;
}

// matches keeps the set of steps that the pattern can be at, so that no pattern takes longer than
// its length times the path's.
bool IgnoreRules::matches(const Pattern& pattern, std::string_view path) {
    using Kind = Step::Kind;
    std::vector<char> at(pattern.size() + 1, 0);
    // pass_by goes on from steps that may take nothing.
    const auto pass_by = [&pattern](std::vector<char>& places) {
        for (std::size_t i = 0; i < pattern.size(); ++i) {
            if (places[i] == 0) {
                continue;
            }
            const Kind kind = pattern[i].kind;
            if (kind == Kind::star || kind == Kind::everything || kind == Kind::folders) {
                places[i + 1] = 1;
            }
            if (kind == Kind::folders) {
                places[i + 2] = 1;
            }
        }
    };
    at[0] = 1;
    pass_by(at);
    std::vector<char> next(at.size());
    for (const char c : path) {
        std::fill(next.begin(), next.end(), 0);
        for (std::size_t i = 0; i < pattern.size(); ++i) {
            const Kind kind = pattern[i].kind;
            if (at[i] == 0 || kind == Kind::folders || !pattern[i].takes(c)) {
                continue;
            }
            const bool stays =
                kind == Kind::star || kind == Kind::everything || kind == Kind::in_folders;
            next[i] = static_cast<char>(next[i] | (stays ? 1 : 0));
            if (!stays || (kind == Kind::in_folders && c == '/')) {
                next[i + 1] = 1;
            }
        }
        pass_by(next);
        at.swap(next);
    }
    return at.back() != 0;
}

bool IgnoreRules::ignores(std::string_view path) const {
    bool ignored = false;
    for (const Rule& rule : rules_) {
        // A rule that would change nothing need not be looked at.
        if (ignored != rule.exception) {
            continue;
        }
        for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
            if (matches(rule.pattern, path.substr(0, end))) {
                ignored = !rule.exception;
                break;
            }
            if (end == path.npos) {
                break;
            }
        }
    }
    return ignored;
}

bool IgnoreRules::has_exceptions() const {
    return std::any_of(rules_.begin(), rules_.end(),
                       [](const Rule& rule) { return rule.exception; });
}

}  // namespace casemate::image
