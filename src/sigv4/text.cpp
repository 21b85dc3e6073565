#include "sigv4/text.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace casemate::sigv4 {

namespace {

constexpr std::string_view kSpaces = " \t";

// Set: bytes, for one look a byte of a header.
using Set = std::array<bool, 256>;

constexpr Set alphanumeric_and(std::string_view marks) {
    Set set{};
    for (std::size_t i = 0; i < set.size(); ++i) {
        set[i] = (i >= '0' && i <= '9') || (i >= 'A' && i <= 'Z') || (i >= 'a' && i <= 'z');
    }
    for (const char mark : marks) {
        set[static_cast<std::uint8_t>(mark)] = true;
    }
    return set;
}

constexpr Set kToken = alphanumeric_and("!#$%&'*+-.^_`|~");
constexpr Set kUnreserved = alphanumeric_and("-._~");

bool is_in(const Set& set, char character) {
    return set[static_cast<std::uint8_t>(character)];
}

}  // namespace

std::string lower(std::string_view text) {
    std::string small(text);
    for (char& character : small) {
        if (character >= 'A' && character <= 'Z') {
            character = static_cast<char>(character - 'A' + 'a');
        }
    }
    return small;
}

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

std::string fold(std::string_view text) {
    const std::string_view trimmed = trim(text);
    // Most values have single spaces alone.
    if (trimmed.find('\t') == std::string_view::npos &&
        trimmed.find("  ") == std::string_view::npos) {
        return std::string(trimmed);
    }
    std::string folded;
    folded.reserve(trimmed.size());
    bool in_space = false;
    for (const char character : trimmed) {
        const bool is_space = character == ' ' || character == '\t';
        if (!is_space) {
            folded += character;
        } else if (!in_space) {
            folded += ' ';
        }
        in_space = is_space;
    }
    return folded;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char character) { return is_in(kToken, character); });
}

std::string percent_encode(std::string_view text, std::string_view also) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char character : text) {
        if (is_in(kUnreserved, character) || also.find(character) != std::string_view::npos) {
            encoded += character;
            continue;
        }
        const auto byte = static_cast<std::uint8_t>(character);
        encoded += '%';
        encoded += kDigits[byte >> 4U];
        encoded += kDigits[byte & 15U];
    }
    return encoded;
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    while (!text.empty()) {
        if (text.front() != '%') {
            decoded += text.front();
            text.remove_prefix(1);
            continue;
        }
        const auto byte = from_hex(text.substr(1, 2));
        if (!byte || byte->empty()) {
            return std::nullopt;
        }
        decoded += as_text(*byte);
        text.remove_prefix(3);
    }
    return decoded;
}

}  // namespace casemate::sigv4
