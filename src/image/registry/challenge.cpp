#include "image/registry/challenge.hpp"

#include <algorithm>

namespace casemate::image {

namespace {

constexpr std::size_t kMost = 16;

bool is_token_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

std::string small(std::string_view text) {
    std::string result(text);
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c - 'A' + 'a');
        }
    }
    return result;
}

// Reader moves forward over a header's value.
class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool at_end() const { return rest_.empty(); }

    // skip passes over spaces and, if it may, commas; it tells whether there was a comma.
    bool skip(bool commas) {
        bool comma = false;
        while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' ||
                                  (commas && rest_.front() == ','))) {
            comma = comma || rest_.front() == ',';
            rest_.remove_prefix(1);
        }
        return comma;
    }

    // token gives the next token; empty where there is none.
    std::string_view token() {
        const auto* const end = std::find_if_not(rest_.begin(), rest_.end(), is_token_character);
        const std::string_view found =
            rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(found.size());
        return found;
    }

    bool take(char c) {
        if (!rest_.starts_with(c)) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    // value gives a token or the inside of a quoted string.
    std::optional<std::string> value() {
        if (!take('"')) {
            const std::string_view plain = token();
            return plain.empty() ? std::nullopt : std::optional<std::string>(plain);
        }
        std::string text;
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                return text;
            }
            if (c == '\\') {
                if (rest_.empty()) {
                    return std::nullopt;
                }
                c = rest_.front();
                rest_.remove_prefix(1);
            }
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
                return std::nullopt;
            }
            text += c;
        }
        return std::nullopt;
    }

    // equals_follows tells whether a parameter's '=' comes next, after spaces.
    [[nodiscard]] bool equals_follows() const {
        const std::size_t at = rest_.find_first_not_of(" \t");
        return at != std::string_view::npos && rest_[at] == '=';
    }

private:
    std::string_view rest_;
};

bool read_parameter(Reader& reader, std::string_view name, Challenge& challenge) {
    reader.skip(false);
    if (!reader.take('=')) {
        return false;
    }
    reader.skip(false);
    auto value = reader.value();
    std::string key = small(name);
    if (!value || challenge.find(key) != nullptr || challenge.parameters.size() == kMost) {
        return false;
    }
    challenge.parameters.emplace_back(std::move(key), std::move(*value));
    return true;
}

}  // namespace

const std::string* Challenge::find(std::string_view name) const {
    for (const auto& [key, value] : parameters) {
        if (key == name) {
            return &value;
        }
    }
    return nullptr;
}

std::string Challenge::text() const {
    std::string all = scheme;
    for (const auto& [name, value] : parameters) {
        all += (&name == &parameters.front().first ? " " : ",") + name + "=\"";
        for (const char c : value) {
            if (c == '"' || c == '\\') {
                all += '\\';
            }
            all += c;
        }
        all += '"';
    }
    return all;
}

std::optional<std::vector<Challenge>> parse_challenges(std::string_view value) {
    Reader reader(value);
    std::vector<Challenge> challenges;
    // A word is a parameter's name where '=' follows, or else a scheme; words are separated by
    // commas, but a scheme's first parameter by a space alone.
    bool separated = true;
    bool after_scheme = false;
    reader.skip(true);
    while (!reader.at_end()) {
        const std::string_view word = reader.token();
        if (word.empty()) {
            return std::nullopt;
        }
        if (reader.equals_follows()) {
            if (challenges.empty() || !(separated || after_scheme) ||
                !read_parameter(reader, word, challenges.back())) {
                return std::nullopt;
            }
            after_scheme = false;
        } else {
            if (!separated || challenges.size() == kMost) {
                return std::nullopt;
            }
            challenges.push_back({small(word), {}});
            after_scheme = true;
        }
        separated = reader.skip(true);
    }
    return challenges;
}

}  // namespace casemate::image
